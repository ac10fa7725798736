//! The relay's tables: one a file.

mod part;
mod state;

use chassis::fault::Fault;
use sqlx::{PgPool, Postgres, Transaction};

pub(crate) use self::state::{Standing, Summary};

/// The relay's tables. Clones share one pool.
#[derive(Clone, Debug)]
pub(crate) struct RelayStore {
    pool: PgPool,
}

/// A unit of work. Dropped without [`Tx::commit`], nothing of it happened.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
}

// === impl RelayStore ===

impl RelayStore {
    /// The tables behind `pool`.
    pub(crate) const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// The pool, for a connection of one's own.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a unit of work.
    pub(crate) async fn begin(&self) -> Result<Tx, Fault> {
        Ok(Tx { inner: self.pool.begin().await? })
    }
}

// === impl Tx ===

impl Tx {
    /// Makes it true.
    pub(crate) async fn commit(self) -> Result<(), Fault> {
        Ok(self.inner.commit().await?)
    }
}
