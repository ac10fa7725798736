//! Reminders: of events, and those that somebody schedules by the socket command.
//!
//! notification-service knows when; who and what is decided here. It is told the
//! minutes of each event (everybody's together, see [`crate::outbox`]), and when
//! one of them is due it comes back with it ([`remind`]): whom it concerns then is
//! asked then, so nobody hears of an event that was moved, deleted, or muted.

mod client;
mod due;
mod own;
mod schedule;

pub use self::{
    client::Reminders,
    due::{DueReminder, remind},
    own::{OwnReminders, set_own},
    schedule::{NewReminder, Scheduled, deliver_scheduled, schedule},
};
