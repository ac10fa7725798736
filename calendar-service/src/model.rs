//! The words of the domain: no HTTP, no tonic, no SQL.

mod calendar;
mod change;
mod event;
mod fields;
mod role;

pub use self::{
    calendar::{CalendarView, Joined, MemberView, Membership},
    change::{Change, ChangeKind, NewChange, frame},
    event::EventView,
    fields::{Edit, EventFields},
    role::Role,
};
