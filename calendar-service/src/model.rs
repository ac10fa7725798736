//! The words of the domain: no HTTP, no tonic, no SQL.

mod calendar;
mod change;
mod event;
mod fields;
mod inbox;
mod instant;
mod name;
mod role;
mod scheduled;
mod when;
mod zone;

pub use self::{
    calendar::{CalendarView, Joined, MemberView, Membership},
    change::{Change, ChangeKind, NewChange, frame},
    event::EventView,
    fields::{Edit, EventFields},
    inbox::{InboxEntry, InboxKind, NotificationPayload, ReminderPayload},
    instant::Instant,
    name::{check_password, fold, read_color, read_name, read_reminders, read_text},
    role::Role,
    scheduled::ScheduledReminder,
    when::{When, read_date, read_date_time},
    zone::Zone,
};
