//! One processor leads, the others stand by: an advisory lock of PostgreSQL,
//! held by a connection of its own.

use std::time::Duration;

use chassis::fault::Fault;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::store::{RelayStore, Standing};

/// The lock. Any number will do that nobody else takes.
const LOCK: i64 = 0x7265_6c61_7901;
/// Between two looks at the lock's connection, and at the generation.
const LOOK: Duration = Duration::from_millis(500);
/// For the answer.
const ANSWER: Duration = Duration::from_secs(1);

/// The lock, while its connection lives.
#[derive(Debug)]
pub(crate) struct Lead {
    connection: PgConnection,
}

/// What the leader knows about its lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// It leads the stream of this generation.
    Holds(i64),
    /// Another one may lead by now.
    Lost,
}

// === impl Lead ===

impl Lead {
    /// Takes the lock if nobody has it.
    pub(crate) async fn try_take(store: &RelayStore) -> Result<Option<Self>, Fault> {
        // It must not go back into the pool, nor be closed for its age.
        let mut connection = store.pool().acquire().await?.detach();
        let asked = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "taken!""#, LOCK);
        let taken = timeout(ANSWER, asked.fetch_one(&mut connection)).await;
        if taken.map_err(|_| Fault::unavailable("the database"))?? {
            return Ok(Some(Self { connection }));
        }
        let _ = timeout(ANSWER, connection.close()).await;
        Ok(None)
    }

    /// Watches that the lock is held and tells of another generation; ends when it is lost.
    pub(crate) async fn watch(mut self, standing: Standing, tenure: watch::Sender<Tenure>) {
        loop {
            sleep(LOOK).await;
            match timeout(ANSWER, Standing::read(&mut self.connection)).await {
                Ok(Ok(now)) if now.epoch == standing.epoch => {
                    tenure.send_if_modified(|held| {
                        let news = *held != Tenure::Holds(now.generation);
                        *held = Tenure::Holds(now.generation);
                        news
                    });
                }
                _ => {
                    tenure.send_replace(Tenure::Lost);
                    return;
                }
            }
        }
    }
}
