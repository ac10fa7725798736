//! One processor leads, the others stand by: an advisory lock of PostgreSQL,
//! held by a connection of its own.

use std::time::Duration;

use chassis::fault::Fault;
use sqlx::{PgConnection, PgPool};
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

/// Who would take the lock; asks again on the same connection.
#[derive(Debug, Default)]
pub(crate) struct Candidate {
    connection: Option<Line>,
}

/// The lock, while its connection lives.
#[derive(Debug)]
pub(crate) struct Lead {
    line: Line,
}

/// A connection of one's own.
#[derive(Debug)]
struct Line {
    connection: PgConnection,
    /// Where it is from: closed when another server is the primary, where others
    /// take the lock.
    pool: PgPool,
}

/// What the leader knows about its lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// It leads the stream of this generation.
    Holds(i64),
    /// Another one may lead by now.
    Lost,
}

// === impl Candidate ===

impl Candidate {
    /// Takes the lock if nobody has it.
    pub(crate) async fn try_take(&mut self, store: &RelayStore) -> Result<Option<Lead>, Fault> {
        let mut line = match self.connection.take().filter(Line::is_good) {
            Some(line) => line,
            None => Line::open(store.pool().current()).await?,
        };
        let asked = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "taken!""#, LOCK);
        let taken = timeout(ANSWER, asked.fetch_one(&mut line.connection)).await;
        if taken.map_err(|_| Fault::unavailable("the database"))?? {
            return Ok(Some(Lead { line }));
        }
        self.connection = Some(line);
        Ok(None)
    }
}

// === impl Lead ===

impl Lead {
    /// Watches that the lock is held and tells of another generation; ends when it is lost.
    pub(crate) async fn watch(mut self, standing: Standing, tenure: watch::Sender<Tenure>) {
        loop {
            sleep(LOOK).await;
            match timeout(ANSWER, Standing::read(&mut self.line.connection)).await {
                Ok(Ok(now)) if now.epoch == standing.epoch && self.line.is_good() => tell(&tenure, now),
                _ => {
                    tenure.send_replace(Tenure::Lost);
                    return;
                }
            }
        }
    }
}

// === impl Line ===

impl Line {
    async fn open(pool: PgPool) -> Result<Self, Fault> {
        // It must not go back into the pool, nor be closed for its age.
        Ok(Self { connection: pool.acquire().await?.detach(), pool })
    }

    /// Whether it leads to the primary, as far as is known.
    fn is_good(&self) -> bool {
        !self.pool.is_closed()
    }
}

/// What a processor watches that has no rival, for its broker is within the
/// process: only resets by hand. The stream goes on while the database is away.
pub(crate) async fn watch_alone(store: &RelayStore, tenure: watch::Sender<Tenure>) {
    loop {
        sleep(LOOK).await;
        let Ok(mut connection) = store.pool().acquire().await else { continue };
        if let Ok(Ok(now)) = timeout(ANSWER, Standing::read(&mut connection)).await {
            tell(&tenure, now);
        }
    }
}

/// Only news wake the term.
fn tell(tenure: &watch::Sender<Tenure>, now: Standing) {
    tenure.send_if_modified(|held| {
        let news = *held != Tenure::Holds(now.generation);
        *held = Tenure::Holds(now.generation);
        news
    });
}
