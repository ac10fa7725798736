//! Table `relay_snapshot_parts`: the last snapshot, in pieces.

use chassis::fault::Fault;

use super::Tx;

// === impl Tx ===

impl Tx {
    /// Removes the pieces from number `from` on.
    pub(crate) async fn remove_parts(&mut self, from: i32) -> Result<(), Fault> {
        sqlx::query!("delete from relay_snapshot_parts where part >= $1", from)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    /// Writes a piece over the old one.
    pub(crate) async fn write_part(&mut self, part: i32, body: &[u8]) -> Result<(), Fault> {
        sqlx::query!(
            "insert into relay_snapshot_parts (part, body) values ($1, $2)
             on conflict (part) do update set body = excluded.body",
            part,
            body,
        )
        .execute(&mut *self.inner)
        .await?;
        Ok(())
    }

    /// The piece with this number.
    pub(crate) async fn part(&mut self, part: i32) -> Result<Option<Vec<u8>>, Fault> {
        let body = sqlx::query_scalar!("select body from relay_snapshot_parts where part = $1", part);
        Ok(body.fetch_optional(&mut *self.inner).await?)
    }
}
