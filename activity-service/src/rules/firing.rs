//! What a rule wants to be told, and what is known of it.

use uuid::Uuid;

use crate::model::{Device, Instant, derived};

/// Something to be told, once.
///
/// It is what went on with `about` from `from` to `to`; one that overlaps with
/// another of the same rule, about the same, that was told already, is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// What it is about within the rule, such as a programme; may be empty.
    pub about: String,
    /// When that began.
    pub from: Instant,
    /// When that ended; the same instant where it has no length.
    pub to: Instant,
    /// When it is to be told, by the database's clock; none: at once.
    pub due: Option<Instant>,
    /// The words.
    pub message: String,
}

/// A firing that was found out earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The notification.
    pub notification_id: Uuid,
    /// The rule.
    pub rule: String,
    /// See [`Firing::about`].
    pub about: String,
    /// See [`Firing::from`].
    pub from: Instant,
    /// See [`Firing::to`].
    pub to: Instant,
    /// How far it has come.
    pub standing: Standing,
}

/// How far a notification has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits, for its time or for its receiver.
    Waiting,
    /// It is out.
    Delivered,
    /// It was not wanted any more before it was out.
    Cancelled,
}

// === impl Firing ===

impl Firing {
    /// The notification that this is: the same whenever it is found out.
    pub fn notification_id(&self, device: &Device, rule: &str) -> Uuid {
        derived(&[
            b"notification",
            device.account_id.as_bytes(),
            device.device_id.as_bytes(),
            rule.as_bytes(),
            self.about.as_bytes(),
            &self.from.as_micros().to_be_bytes(),
            &self.to.as_micros().to_be_bytes(),
        ])
    }
}
