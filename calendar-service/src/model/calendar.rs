//! Calendars and members as their readers see them.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Role;

/// A calendar as one of its members sees it.
///
/// Answers to idempotency keys are kept in this form for 24 hours: a field that
/// is new one day needs a `serde(default)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarView {
    /// The calendar.
    pub calendar_id: Uuid,
    /// As its owner spelt it.
    pub calendar_name: String,
    /// IANA name.
    pub time_zone: String,
    /// `#rrggbb`, or empty.
    pub color: String,
    /// Minutes before the start, for events that name none.
    pub default_reminders: Vec<u32>,
    /// The reader's role.
    pub role: Role,
    /// How many are in.
    pub member_count: u32,
    /// The seq of the newest change.
    pub last_seq: i64,
    /// When it was created.
    pub created_at: Timestamp,
}

/// One member of a calendar.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The account.
    pub account_id: Uuid,
    /// The username.
    pub username: Arc<str>,
    /// The role.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

/// One account's place in one calendar.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The calendar.
    pub calendar_id: Uuid,
    /// Its name now.
    pub calendar_name: Arc<str>,
    /// The account's role.
    pub role: Role,
    /// The seq of the newest change.
    pub last_seq: i64,
}

/// The outcome of a join.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The calendar.
    pub calendar_id: Uuid,
    /// Its name as its owner spelt it.
    pub calendar_name: Arc<str>,
    /// The caller's role.
    pub role: Role,
    /// The seq of the newest change; of the `member_joined` when `newly`.
    pub last_seq: i64,
    /// Whether the membership is new.
    pub newly: bool,
}
