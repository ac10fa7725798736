//! create_event over two databases: a saga, orchestrated here, durable.
//!
//! ```text
//! T1  event pending + saga running        one statement here
//! T2  ReserveParticipants                 call to auth-service, idempotent
//! T3  event confirmed, log, outbox        one transaction here, the point of no return
//!     ConfirmParticipants                 from the outbox, forward only
//! ```
//!
//! Undone in reverse: saga `aborting`, ReleaseParticipants (leaves a tombstone,
//! so that a late Reserve is refused), event discarded. A pending event is
//! visible to nobody.
//!
//! Only the task that began a saga does its T3, and only until the deadline in
//! the row. Everybody else may only undo: [`runner`] claims what is `aborting`,
//! and what is `running` past its deadline, whoever began it. So a saga whose
//! instance died is over within the deadline, a lease and a try.

pub mod create_event;
mod participants;
pub mod runner;

use std::{sync::Arc, time::Duration};

use chassis::idempotency::Claim;
use jiff::Timestamp;
use uuid::Uuid;

pub use self::participants::Participants;
use crate::{ical::Columns, model::EventView};

/// From T1 to the deadline of T3, by the database's clock.
const PATIENCE: Duration = Duration::from_millis(1300);
/// The caller hears an answer within this: before the request's own bound.
const ANSWER_WITHIN: Duration = Duration::from_millis(1700);

/// Every crash point, forward and back: before and after each durable write and
/// each call.
pub const FAILPOINTS: [&str; 16] = [
    "saga.t1.before",
    "saga.t1.after",
    "saga.reserve.before",
    "saga.reserve.after",
    "saga.t3.before",
    "saga.t3.after",
    "saga.confirm.before",
    "saga.confirm.after",
    "saga.confirmed.before",
    "saga.confirmed.after",
    "saga.abort.before",
    "saga.abort.after",
    "saga.release.before",
    "saga.release.after",
    "saga.discard.before",
    "saga.discard.after",
];

/// All that a run needs; checked, nothing written yet.
pub struct Plan {
    /// A fresh id.
    pub saga_id: Uuid,
    /// Who asks.
    pub account_id: Uuid,
    /// Their username.
    pub username: Arc<str>,
    /// The event as it will be seen; its seq comes with T3.
    pub view: EventView,
    /// Its `created_at`.
    pub at: Timestamp,
    /// Its object.
    pub ical: String,
    /// What is derived from the object.
    pub columns: Columns,
    /// Of a request with an idempotency key: begun with T1, answered with T3,
    /// free again with the order to undo.
    pub claim: Option<Claim>,
}
