//! The use-cases over a real PostgreSQL, with auth-service's side of the saga
//! played by a double that can refuse, hang, and hang after it did it.

mod auth_double;
mod calendars;
mod events;
mod idempotency;
mod log;
mod members;
mod outbox;
mod process;
mod roles;
mod saga;
mod sweep;
mod windows;
mod world;
