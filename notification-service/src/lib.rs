//! The durable clock: timers that fire webhooks, reminders, notifications.

/// The schema of the notification database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/notification");
