//! Accounts, as a login meets them.

use uuid::Uuid;

/// An account and the hash that its password must match.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// The account.
    pub(crate) account_id: Uuid,
    /// As it was spelt at registration.
    pub(crate) username: String,
    /// PHC string.
    pub(crate) password_hash: String,
}

/// What is known before the password is looked at.
pub(crate) struct Candidate {
    /// The account of that name, if there is one.
    pub(crate) credentials: Option<Credentials>,
    /// Where a failure is counted: the client is not known to the account.
    pub(crate) counts_against: Option<Uuid>,
    /// A success should be remembered for this client.
    pub(crate) remember: bool,
}
