//! Connections that are kept at hand between small statements.
//!
//! sqlx asks each connection that comes back to its pool for a sign of life, in a task of its
//! own: a second round trip, which costs as much as a small read. Whoever has read an answer to its
//! end knows that the connection is good, and leaves it here for the next one, who
//! takes the one that was used last: its server process is the warmest.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::time::Instant;

use super::pool::is_exhausted;

/// This long after it left its pool a connection goes back, to be looked after.
const LONGEST: Duration = Duration::from_mins(1);
/// One that nobody wanted for this long goes back too.
const IDLE: Duration = Duration::from_secs(5);
/// The part of a pool's connections that may be at hand: what readers use at once stays, and some are
/// left for those who take theirs from the pool without making room.
const SHARE: (usize, usize) = (2, 3);

/// The connections of one pool that are at hand.
#[derive(Debug)]
pub(super) struct Kept {
    most: usize,
    /// None: the pool is not to be used any more.
    waiting: Mutex<Option<Vec<Waiting>>>,
}

#[derive(Debug)]
struct Waiting {
    connection: PoolConnection<Postgres>,
    pool: PgPool,
    taken: Instant,
    used: Instant,
}

/// A connection for some statements. Dropped, it goes back to its pool; after an answer that
/// was read to its end it may be [kept](Self::keep).
#[derive(Debug)]
pub struct Line {
    connection: PoolConnection<Postgres>,
    pool: PgPool,
    taken: Instant,
    kept: Arc<Kept>,
}

// === impl Kept ===

impl Kept {
    /// For a pool of so many.
    pub(super) fn of(max_connections: u32) -> Arc<Self> {
        let most = max_connections as usize * SHARE.0 / SHARE.1;
        Arc::new(Self { most, waiting: Mutex::new(Some(Vec::new())) })
    }

    /// The one that was used last.
    pub(super) fn take(self: &Arc<Self>) -> Option<Line> {
        let Waiting { connection, pool, taken, .. } = self.waiting().as_mut()?.pop()?;
        Some(Line { connection, pool, taken, kept: Arc::clone(self) })
    }

    /// One that comes from the pool.
    pub(super) fn lend(self: &Arc<Self>, pool: PgPool, connection: PoolConnection<Postgres>) -> Line {
        Line { connection, pool, taken: Instant::now(), kept: Arc::clone(self) }
    }

    /// How many are at hand: the pool counts them as used.
    pub(super) fn count(&self) -> usize {
        self.waiting().as_ref().map_or(0, Vec::len)
    }

    /// Gives back those that nobody has wanted lately.
    pub(super) fn rest(&self) {
        let now = Instant::now();
        if let Some(waiting) = self.waiting().as_mut() {
            waiting.retain(|waiting| now - waiting.used < IDLE);
        }
    }

    /// Gives all of them back, and those on loan when they come.
    pub(super) fn close(&self) {
        drop(self.waiting().take());
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Vec<Waiting>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Line ===

impl Line {
    /// Leaves it to the next one. Only after the whole answer to the last statement, and outside
    /// of any transaction. Where somebody may be waiting for the pool it goes back: those are
    /// served in turn.
    pub fn keep(self) {
        let Self { connection, pool, taken, kept } = self;
        let used = Instant::now();
        if is_exhausted(&pool) {
            return;
        }
        if let Some(waiting) = kept.waiting().as_mut()
            && waiting.len() < kept.most
            && used - taken < LONGEST
        {
            waiting.push(Waiting { connection, pool, taken, used });
        }
    }
}

impl Deref for Line {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Line {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
