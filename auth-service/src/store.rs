//! The database: one table a file, SQL inline, a transaction is a value.
//!
//! A method on [`Store`] is one statement and commits by itself; a method on
//! [`Tx`] is part of something larger whose commit is visible in the use-case.
//! Every comparison with "now" is made in SQL, by `app_now()`. "Not there" is
//! a case, hence `Option`; an error is the database's.

mod account;
mod ended_session;
mod idempotency;
mod login_guess;
mod outbox;
mod participant;
mod participant_revision;
mod participant_saga;
mod session;
mod signing_key;
mod sweep;
mod ticket;

use std::time::Duration;

use chassis::{fault::Fault, idempotency::Idempotency, postgres::Pool};
use jiff::Timestamp;
use sqlx::{Postgres, Transaction};

pub use self::login_guess::GuessLimit;
pub(crate) use self::{
    login_guess::Tried,
    outbox::{Message, MessageKind, Receiver},
    participant_saga::{Reservation, SagaState},
    session::NewSession,
    signing_key::{NewKey, StoredKey},
    sweep::Swept,
};

/// The tables of this service. Clones share one pool.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: Pool,
    idempotency: Idempotency,
}

/// A unit of work. Dropped without [`Tx::commit`], nothing of it happened.
#[derive(Debug)]
pub(crate) struct Tx {
    inner: Transaction<'static, Postgres>,
}

// === impl Store ===

impl Store {
    /// The tables behind `pool`.
    pub(crate) fn new(pool: Pool) -> Self {
        Self { idempotency: Idempotency::new(pool.clone(), "auth"), pool }
    }

    /// First answers to requests with an idempotency key.
    pub(crate) const fn idempotency(&self) -> &Idempotency {
        &self.idempotency
    }

    /// Begins a unit of work.
    pub(crate) async fn begin(&self) -> Result<Tx, Fault> {
        Ok(Tx { inner: self.pool.begin().await? })
    }

    /// Whether the database answers: anything but a plain "yes" is `unavailable`.
    pub(crate) async fn probe(&self) -> Result<(), Fault> {
        chassis::postgres::probe(&self.pool).await.map_err(|_| Fault::unavailable("the database"))
    }
}

// === impl Tx ===

impl Tx {
    /// The database's clock.
    pub(crate) async fn now(&mut self) -> Result<Timestamp, Fault> {
        let now = sqlx::query_scalar!(r#"select app_now() as "now!""#).fetch_one(&mut *self.inner).await?;
        Ok(now.to_jiff())
    }

    /// Makes it true.
    pub(crate) async fn commit(self) -> Result<(), Fault> {
        Ok(self.inner.commit().await?)
    }
}

/// Seconds, for `make_interval(secs => …)`.
const fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
