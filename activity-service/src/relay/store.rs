//! The relay's tables: one a file.

mod part;
mod state;

use chassis::{fault::Fault, postgres::Pool};
use sqlx::{Postgres, Transaction};

pub(crate) use self::state::{Standing, Summary};

/// The relay's tables. Clones share one pool.
#[derive(Clone, Debug)]
pub(crate) struct RelayStore {
    pool: Pool,
}

/// A unit of work. Dropped without [`Tx::commit`], nothing of it happened.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
}

// === impl RelayStore ===

impl RelayStore {
    /// The tables behind `pool`.
    pub(crate) fn new(pool: impl Into<Pool>) -> Self {
        Self { pool: pool.into() }
    }

    /// The pool, for a connection of one's own.
    pub(crate) const fn pool(&self) -> &Pool {
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
