//! A calendar as one of its members sees it.

use proto::calendar::v1::Calendar;
use serde::Serialize;
use utoipa::ToSchema;

/// A calendar, seen by one of its members.
#[derive(Serialize, ToSchema)]
#[schema(as = Calendar)]
pub(super) struct CalendarView<'a> {
    #[schema(format = Uuid, examples("019a9d2e-2222-7e70-a1f6-0123456789ab"))]
    calendar_id: &'a str,
    /// Unique without its case.
    #[schema(examples("Family"))]
    calendar_name: &'a str,
    /// IANA name, for showing the calendar. The times of an event are read in the zone of its own.
    #[schema(examples("Europe/Berlin"))]
    time_zone: &'a str,
    /// `#rrggbb`, or empty.
    #[schema(examples("#3366cc"))]
    color: &'a str,
    /// The caller's role: `owner`, `editor` or `viewer`.
    #[schema(examples("owner"))]
    role: &'a str,
    #[schema(examples(3))]
    member_count: u32,
    /// The `seq` of the newest change.
    #[schema(examples(42))]
    last_seq: i64,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    created_at: &'a str,
    /// Minutes before the start, for events that name none.
    default_reminders: &'a [u32],
}

// === impl CalendarView ===

impl<'a> From<&'a Calendar> for CalendarView<'a> {
    fn from(calendar: &'a Calendar) -> Self {
        Self {
            calendar_id: &calendar.calendar_id,
            calendar_name: &calendar.calendar_name,
            time_zone: &calendar.time_zone,
            color: &calendar.color,
            role: &calendar.role,
            member_count: calendar.member_count,
            last_seq: calendar.last_seq,
            created_at: &calendar.created_at,
            default_reminders: &calendar.default_reminders,
        }
    }
}
