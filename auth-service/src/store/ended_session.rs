//! Table `ended_sessions`.

use std::time::Duration;

use chassis::fault::Fault;
use uuid::Uuid;

use super::{Store, seconds};

/// More than can end in a polling window; who missed some checks in bulk.
const LISTED: i64 = 50_000;

impl Store {
    /// The sessions that were ended within the last `window`, latest first.
    pub(crate) async fn ended_sessions(&self, window: Duration) -> Result<Vec<Uuid>, Fault> {
        let ended = sqlx::query_scalar!(
            "select session_id from ended_sessions
             where ended_at >= (select app_now()) - make_interval(secs => $1)
             order by ended_at desc limit $2",
            seconds(window),
            LISTED,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ended)
    }
}
