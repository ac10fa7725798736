//! A service's database, wherever its primary is.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use futures::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, PgPool, PgTransaction, Postgres, SqlStr,
    pool::PoolConnection,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::{sleep, timeout};

use super::{
    fleet::Fleet,
    kept::{Kept, Line},
};
use crate::lifecycle::Lifecycle;

/// Between two looks at several servers.
const EVERY: Duration = Duration::from_millis(500);
/// For the connections of a pool that is replaced. One that hangs is left behind with it.
const FAREWELL: Duration = Duration::from_secs(1);

/// The pool of a database. Where several servers are given it is that of the primary, and
/// becomes another one when the primary does (docs/adr/0014). Clones share it.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    current: RwLock<Current>,
    /// Where several servers are given.
    fleet: Option<Fleet>,
}

/// A pool of sqlx's, and which of its connections are at hand.
#[derive(Clone)]
pub(super) struct Current {
    pool: PgPool,
    kept: Arc<Kept>,
}

// === impl Pool ===

/// Somebody else's pool: no connection of it is kept at hand.
impl From<PgPool> for Pool {
    fn from(pool: PgPool) -> Self {
        Self::keeping(pool, 0)
    }
}

impl Pool {
    /// A pool of one server; some of its connections are kept at hand.
    pub(super) fn keeping(pool: PgPool, max_connections: u32) -> Self {
        let current = RwLock::new(Current::keeping(pool, max_connections));
        Self { shared: Arc::new(Shared { current, fleet: None }) }
    }

    pub(super) fn of(fleet: Fleet) -> Self {
        let current = RwLock::new(fleet.pool());
        Self { shared: Arc::new(Shared { current, fleet: Some(fleet) }) }
    }

    /// The pool as of now. For what takes a pool of sqlx's, and not for keeping.
    pub fn current(&self) -> PgPool {
        let current = self.now();
        current.make_room();
        current.pool
    }

    fn now(&self) -> Current {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A connection to the primary for statements that are small and many, outside of transactions.
    pub async fn line(&self) -> Result<Line, sqlx::Error> {
        let Current { pool, kept } = self.now();
        if let Some(line) = kept.take() {
            return Ok(line);
        }
        let connection = pool.acquire().await?;
        Ok(kept.lend(pool, connection))
    }

    /// Connections that are used and unused, those at hand among the latter; the
    /// ones that nobody wanted lately go back first.
    pub(super) fn usage(&self) -> (usize, usize) {
        let Current { pool, kept } = self.now();
        kept.rest();
        let unused = pool.num_idle() + kept.count();
        ((pool.size() as usize).saturating_sub(unused), unused)
    }

    /// A connection to the primary.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        self.current().acquire().await
    }

    /// A transaction on the primary. Whoever asks may leave at any moment, as callers whose time is
    /// up do.
    pub async fn begin(&self) -> Result<PgTransaction<'static>, sqlx::Error> {
        let connection = self.acquire().await?;
        // sqlx 0.9.0 forgets a `begin` that nobody waits for any more: the connection would go back
        // with an open transaction, and what the next one writes over it, and acks, would never be
        // committed (its issue 4393). A task of its own is not dropped, and then its transaction is.
        #[expect(clippy::disallowed_methods, reason = "the one place that may")]
        let begun = tokio::spawn(PgTransaction::begin(connection, None)).await;
        begun.unwrap_or_else(|ended| match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is at its end.
            Err(_) => Err(sqlx::Error::WorkerCrashed),
        })
    }

    /// Whether a standby is in sight that follows the primary.
    pub fn has_standby(&self) -> bool {
        self.shared.fleet.as_ref().is_some_and(Fleet::has_standby)
    }

    /// A connection to a standby that follows the primary, at some distance: it is for
    /// the reader to see what the standby knows. None when there is none, or it is slow.
    pub async fn standby(&self) -> Option<PoolConnection<Postgres>> {
        self.shared.fleet.as_ref()?.standby().await
    }

    /// The primary's timeline, and how many other servers take writes, where
    /// several are given.
    pub(super) fn state(&self) -> Option<(i64, u64)> {
        self.shared.fleet.as_ref().map(Fleet::state)
    }

    /// Finds the primary now, where several servers are given: for commands, which
    /// follow nobody; a pool that has not looked lets nobody in.
    pub async fn look(&self) {
        let Some(fleet) = &self.shared.fleet else { return };
        if let Some(old) = fleet.look(&self.shared.current).await {
            // Whoever waits for one of its connections hears at once that it is closed.
            // Its answer is `unavailable`, and a second try has the new one.
            let _ = timeout(FAREWELL, old.close()).await;
        }
    }

    /// Keeps looking until the process drains.
    pub(super) async fn follow(&self, lifecycle: &Lifecycle) {
        let Some(fleet) = &self.shared.fleet else { return };
        while !lifecycle.is_draining() {
            self.look().await;
            tokio::select! { () = sleep(EVERY) => {}, () = fleet.hurry() => {}, () = lifecycle.draining() => {} }
        }
    }

    /// Closes it and waits for the connections in use.
    pub async fn close(&self) {
        let current = self.now();
        let readers = async {
            if let Some(fleet) = &self.shared.fleet {
                fleet.close().await;
            }
        };
        tokio::join!(readers, current.close());
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Pool").field(&self.current()).finish()
    }
}

/// Statements go to the primary, each over a connection of its own.
impl<'p> Executor<'p> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        (&self.current()).fetch_many(query)
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        (&self.current()).fetch_optional(query)
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.current()).prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        (&self.current()).describe(sql)
    }
}

/// Whether somebody may be waiting for a connection.
pub(super) fn is_exhausted(pool: &PgPool) -> bool {
    pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
}

// === impl Current ===

impl Current {
    pub(super) fn keeping(pool: PgPool, max_connections: u32) -> Self {
        Self { pool, kept: Kept::of(max_connections) }
    }

    /// Gives one back that is at hand, where the pool has no other: whoever asks the pool
    /// does not wait beside connections that nobody uses.
    fn make_room(&self) {
        if is_exhausted(&self.pool) {
            drop(self.kept.take());
        }
    }

    /// Closes it and waits for the connections in use.
    async fn close(&self) {
        self.kept.close();
        self.pool.close().await;
    }
}
