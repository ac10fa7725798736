//! Events as iCalendar objects (RFC 5545).
//!
//! The object is the truth and the columns are its index: [`compose`] writes a
//! new object, [`edit()`] changes what we model in an existing one and leaves all
//! the rest as it is, [`columns`] reads the index off either. Zones are named by
//! TZID alone ("by reference", RFC 7809): every IANA name is known.
//!
//! The layer below keeps content lines as they are. The icalendar crate, which
//! drops the quotes of parameters, unescapes every value and merges properties
//! of one name, would lose what a client sent; the tests use it as an
//! independent reader of what we write.

mod alarm;
mod content;
mod edit;
mod read;
mod text;

use uuid::Uuid;

pub use self::{
    edit::{compose, edit},
    read::{Columns, columns},
};
use crate::model::When;

/// What we model of an event, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventContent {
    /// SUMMARY.
    pub name: String,
    /// DTSTART, DTEND, and the zone.
    pub when: When,
    /// LOCATION.
    pub location: String,
    /// DESCRIPTION.
    pub description: String,
    /// VALARMs before the start, in minutes; ascending, each once. None: the
    /// event names none, and its calendar's hold. That it has none at all is
    /// said by a property of ours, which RFC 5545 has no word for.
    pub reminders: Option<Vec<u32>>,
    /// ATTENDEEs that are accounts of ours.
    pub participants: Vec<Uuid>,
}

/// What an object says of its own history.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// UID of a new object.
    pub event_id: Uuid,
    /// ORGANIZER of a new object.
    pub organizer: Uuid,
    /// DTSTAMP and LAST-MODIFIED.
    pub at: jiff::Timestamp,
}

/// A text that is no iCalendar object with an event in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read iCalendar object: {0}")]
pub struct IcalError(&'static str);
