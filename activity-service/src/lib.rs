//! Ordered event streams and device events: put in order, matched by rules, told to the right people.

mod broker;
pub mod cli;
mod listener;
pub mod relay;
mod sequencer;

/// The schema of the activity database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/activity");
