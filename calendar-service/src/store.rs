//! The calendar database. One table a file; a transaction is a value.
//!
//! Lock order: a calendar's row, then its members and events. Whoever changes
//! anything in a calendar locks the calendar first ([`Tx::enter`]); two writers
//! of one calendar take turns, writers of different calendars never wait for
//! each other.

use chassis::{fault::Fault, idempotency::Idempotency, postgres::Pool};
use sqlx::PgTransaction;

mod barred;
mod calendar;
mod change;
mod column;
mod delivery;
mod departure;
mod event;
mod event_json;
mod event_reminder;
mod event_window;
mod idempotency;
mod inbox;
mod member;
mod message;
mod outbox;
mod own_reminder;
mod password_try;
mod recent_reminder;
mod room;
mod saga;
mod standby;
mod sweep;

pub(crate) use self::event::etag;
pub use self::{
    calendar::{CalendarRow, FoundCalendar, SettingsRow},
    delivery::DeliveryScope,
    event::{EventRow, StoredEvent},
    event_reminder::{KnownReminders, Place, RemindedEvent},
    event_window::{Window, WindowPage},
    inbox::{INBOX_ENTRIES, NewEntry},
    member::MemberRow,
    outbox::{Lane, OutboxRow},
    recent_reminder::{Earshot, RECENT_SECONDS},
    saga::{ClaimedSaga, NewSaga, SagaState},
    standby::Known,
};

/// The database; clones share one pool.
#[derive(Clone, Debug)]
pub struct Store {
    pool: Pool,
    idempotency: Idempotency,
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
        let pool = pool.into();
        Self { idempotency: Idempotency::new(pool.clone(), "calendar"), pool }
    }

    /// First answers to requests with an idempotency key.
    pub const fn idempotency(&self) -> &Idempotency {
        &self.idempotency
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
