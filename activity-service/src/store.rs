//! The activity database. One table a file; a transaction is a value.
//!
//! Lock order: events by id, then devices by id, then notifications by id.

use chassis::{fault::Fault, postgres::Pool};
use sqlx::PgTransaction;

mod census;
mod column;
mod device;
mod event;
mod history;
mod notification;
mod outgoing;
mod removal;
mod sweep;

pub use self::{
    census::Census,
    device::ClaimedDevice,
    history::{Page, Scan},
    notification::{Planned, Subject},
    outgoing::Outgoing,
};

/// The database; clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
}

/// A transaction: everything that hangs off it becomes true at [`Tx::commit`],
/// or nothing does.
pub struct Tx {
    pub(crate) inner: PgTransaction<'static>,
}

// === impl Store ===

impl Store {
    /// A store over this pool.
    pub fn new(pool: impl Into<Pool>) -> Self {
        Self { pool: pool.into() }
    }

    /// The pool, for the statements of `store/` files.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx, Fault> {
        Ok(Tx { inner: self.pool.begin().await? })
    }
}

// === impl Tx ===

impl Tx {
    /// Makes it true.
    pub async fn commit(self) -> Result<(), Fault> {
        Ok(self.inner.commit().await?)
    }
}
