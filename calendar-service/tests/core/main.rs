//! The use-cases over a real PostgreSQL, with auth-service's side of the saga
//! played by a double that can refuse, hang, and hang after it did it, and
//! notification-service's side of reminders by one that can be away.

mod auth_double;
mod calendars;
mod events;
mod idempotency;
mod inbox;
mod lanes;
mod lists;
mod log;
mod members;
#[expect(dead_code, reason = "what was scheduled is the business of the socket tests")]
mod notification_double;
mod outbox;
mod process;
mod reminders;
mod roles;
mod saga;
mod sweep;
mod windows;
mod world;
