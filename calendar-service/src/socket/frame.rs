//! What this side says, every frame of it. `docs/SOCKET.md` shows an example of
//! each; room frames (everything with a `seq`) are composed by
//! [`crate::model::frame`], the same for REST and sockets.

use std::{collections::BTreeMap, sync::Arc};

use chassis::{fault::Fault, idempotency::Answered};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::command::Report;
use crate::{message::Place, model::EventView};

/// A frame to one client, or a transient one to several.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerFrame {
    /// The first frame of a connection.
    Connected {
        /// `"<username> has connected"`.
        message: String,
        /// Names this connection, in logs too.
        connection_id: Uuid,
    },
    /// A member of the room is online from now on, or not any more.
    Presence {
        /// The room.
        calendar_id: Uuid,
        /// The room's name.
        calendar_name: Arc<str>,
        /// Who.
        username: Arc<str>,
        /// From now on.
        online: bool,
        /// `"<username> has connected"`, `"<username> has disconnected"`.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// The one answer to a frame with an `id`.
    Ack(Ack),
    /// A failure of a frame without one.
    Error(Failure),
    /// This connection is in the room now.
    Joined {
        /// The room.
        calendar_id: Uuid,
        /// The room's name.
        calendar_name: Arc<str>,
        /// Usernames of the members that are connected, sorted.
        members_online: Vec<Arc<str>>,
        /// The room's newest change: what is live comes after it.
        last_seq: i64,
    },
    /// This connection is in the room no more.
    Left {
        /// The room.
        calendar_id: Uuid,
        /// The room's name.
        calendar_name: Arc<str>,
    },
    /// Said to everybody, not kept.
    Message {
        /// The text.
        message: String,
        /// Who.
        by: Arc<str>,
        /// When.
        at: Timestamp,
    },
    /// Too much was missed to be replayed: read anew, go on after `last_seq`.
    Resync {
        /// The room.
        calendar_id: Uuid,
        /// The room's name.
        calendar_name: Arc<str>,
        /// The room's newest change: what is live comes after it.
        last_seq: i64,
    },
    /// A reminder of the command `scheduleEvent` is due. Reminders of events have
    /// the same type and come from the inbox, with more fields.
    #[serde(rename = "eventReminder")]
    EventReminder(EventReminder),
    /// The connection is about to be closed with 1012: come back then.
    GoingAway {
        /// Milliseconds to wait before connecting again; another for each socket.
        retry_after_ms: u64,
    },
}

/// A reminder as the source's clients know it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EventReminder {
    /// What it is called.
    pub(super) name: String,
    /// When it is due, RFC 3339 UTC with milliseconds.
    pub(super) time: String,
    /// Its id.
    #[serde(rename = "_id")]
    pub(super) id: String,
    /// It comes late.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) late: bool,
}

/// The answer to a frame with an `id`; on Socket.IO the argument of the callback.
#[derive(Debug, Serialize)]
pub(super) struct Ack {
    /// The client's own id; absent on Socket.IO.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<Value>,
    ok: bool,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Success(Success),
    Failure(Failure),
    FailedCommand(Box<FailedCommand>),
}

/// A command that failed says so twice: as every frame, and as a command.
#[derive(Debug, Serialize)]
struct FailedCommand {
    #[serde(flatten)]
    failure: Failure,
    #[serde(flatten)]
    report: Report,
}

/// What a successful ack says beyond `ok`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Success {
    /// A message is kept, at this place of the room's log.
    Kept {
        /// The room.
        calendar_id: Uuid,
        /// Its place.
        seq: i64,
        /// An earlier frame with the same key was told the same.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
    },
    /// A message went out to everybody.
    Sent {},
    /// The connection is in the room.
    Joined {
        /// The room.
        calendar_id: Uuid,
        /// The room's name as its owner spells it.
        calendar_name: Arc<str>,
        /// The caller's role.
        role: &'static str,
        /// The room's newest change.
        last_seq: i64,
    },
    /// The membership is over.
    Left {
        /// The room.
        calendar_id: Uuid,
    },
    /// The event as it is now.
    Event {
        /// The same object as on REST.
        event: Box<EventView>,
        /// An earlier frame with the same key was told the same.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
    },
    /// The event is gone.
    Deleted {
        /// The event.
        event_id: Uuid,
    },
    /// Each calendar by the name the client gave it.
    Resumed {
        /// The outcome of each.
        calendars: BTreeMap<String, Resumed>,
    },
    /// What became of a command, which may be that it failed.
    Command(Box<Report>),
}

/// The outcome of one calendar in a `resume`.
#[derive(Debug, Serialize)]
pub(super) struct Resumed {
    ok: bool,
    #[serde(flatten)]
    outcome: ResumeOutcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum ResumeOutcome {
    Success { calendar_id: Uuid, last_seq: i64 },
    Failure(Failure),
}

/// A failure, with the codes of `docs/ERRORS.md`.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BrokenField>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
}

#[derive(Debug, Serialize)]
struct BrokenField {
    field: String,
    message: String,
}

// === impl ServerFrame ===

impl ServerFrame {
    /// The first frame of a connection.
    pub(super) fn connected(username: &str, connection_id: Uuid) -> Self {
        Self::Connected { message: format!("{username} has connected"), connection_id }
    }

    /// The answer to a client's frame: an ack when it had an `id`; without one
    /// only a failure is told.
    pub(super) fn answer(id: Option<Value>, outcome: Result<Success, Fault>) -> Option<Self> {
        match (id, outcome) {
            (None, Ok(Success::Command(report))) => {
                report.into_fault().map(|fault| Self::Error(fault.into()))
            }
            (None, Ok(_)) => None,
            (None, Err(fault)) => Some(Self::Error(fault.into())),
            (id, outcome) => Some(Self::Ack(Ack::new(id, outcome))),
        }
    }
}

// === impl Ack ===

impl Ack {
    /// The ack for an outcome.
    pub(super) fn new(id: Option<Value>, outcome: Result<Success, Fault>) -> Self {
        match outcome {
            Ok(Success::Command(report)) => match report.fault().cloned() {
                Some(fault) => {
                    let failed = FailedCommand { failure: fault.into(), report: *report };
                    Self { id, ok: false, outcome: Outcome::FailedCommand(Box::new(failed)) }
                }
                None => Self { id, ok: true, outcome: Outcome::Success(Success::Command(report)) },
            },
            Ok(success) => Self { id, ok: true, outcome: Outcome::Success(success) },
            Err(fault) => Self { id, ok: false, outcome: Outcome::Failure(fault.into()) },
        }
    }
}

// === impl Success ===

impl From<Answered<Place>> for Success {
    fn from(Answered { answer, replayed }: Answered<Place>) -> Self {
        Self::Kept { calendar_id: answer.calendar_id, seq: answer.seq, replayed }
    }
}

// === impl Resumed ===

impl Resumed {
    /// The outcome of one calendar: its id and newest change.
    pub(super) fn new(outcome: Result<(Uuid, i64), Fault>) -> Self {
        match outcome {
            Ok((calendar_id, last_seq)) => {
                Self { ok: true, outcome: ResumeOutcome::Success { calendar_id, last_seq } }
            }
            Err(fault) => Self { ok: false, outcome: ResumeOutcome::Failure(fault.into()) },
        }
    }
}

// === impl Failure ===

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let errors = fault.fields.into_iter();
        Self {
            code: fault.reason.as_str(),
            message: fault.detail,
            errors: errors.map(|error| BrokenField { field: error.field, message: error.message }).collect(),
            names: fault.names,
            retry_after_ms: fault.retry_after.map(|after| after.as_millis() as u64),
            replayed: fault.replayed,
        }
    }
}
