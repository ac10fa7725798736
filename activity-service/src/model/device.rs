//! Whose device.

use uuid::Uuid;

/// A device of an account; ids are the account's own business.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Device {
    /// The account.
    pub account_id: Uuid,
    /// What the account calls it.
    pub device_id: String,
}
