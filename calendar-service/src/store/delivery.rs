//! `deliveries`: ids under which something was delivered to us.

use chassis::fault::Fault;

use super::Tx;

impl Tx {
    /// Records a delivery with what it does; false: it was made before. Of two
    /// at once, the second waits for the first.
    pub async fn first_delivery(&mut self, delivery_id: &str) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "insert into deliveries (delivery_id) values ($1) on conflict do nothing",
            delivery_id
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected() == 1)
    }
}
