//! The notification database. One table a file, and what the engine does with
//! `due_work` in files of its own; a transaction is a value.

use chassis::{fault::Fault, idempotency::Idempotency, postgres::Pool};
use sqlx::PgTransaction;

mod claim;
mod event_revision;
mod idempotency;
mod record;
mod sweep;
mod timer;
mod webhook_secret;
mod webhook_url;
mod work;

pub(crate) use self::{
    claim::{CLAIM, Claim, ClaimOrder},
    event_revision::NewReminder,
    timer::Sight,
    work::{DUE_CHANNEL, Due, Planned},
};

/// The database; clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    idempotency: Idempotency,
}

/// A transaction: everything that hangs off it becomes true at [`Tx::commit`],
/// or nothing does.
pub(crate) struct Tx {
    inner: PgTransaction<'static>,
}

// === impl Store ===

impl Store {
    /// A store over this pool.
    pub fn new(pool: impl Into<Pool>) -> Self {
        let pool = pool.into();
        Self { idempotency: Idempotency::new(pool.clone(), "notification"), pool }
    }

    /// First answers to requests with an idempotency key.
    pub(crate) const fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    /// The pool, for the statements of `store/` files.
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Begins a transaction.
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

    /// Takes it back at once. One that is dropped is taken back as well, but some
    /// time later: what it had locked is in the way of who comes next.
    pub(crate) async fn roll_back(self) -> Result<(), Fault> {
        Ok(self.inner.rollback().await?)
    }
}
