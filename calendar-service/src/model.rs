//! The words of the domain: no HTTP, no tonic, no SQL.

mod calendar;
mod change;
mod event;
mod fields;
mod instant;
mod name;
mod role;
mod when;
mod zone;

pub use self::{
    calendar::{CalendarView, Joined, MemberView, Membership},
    change::{Change, ChangeKind, NewChange, frame},
    event::EventView,
    fields::{Edit, EventFields},
    instant::Instant,
    name::{check_password, fold, read_color, read_name, read_reminders, read_text},
    role::Role,
    when::{When, read_date, read_date_time},
    zone::Zone,
};
