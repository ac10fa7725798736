//! Accounts and sessions (CONTRACTS, Accounts).

pub(super) mod inbox;
pub(super) mod login;
pub(super) mod logout;
pub(super) mod password;
pub(super) mod register;
pub(super) mod removal;
pub(super) mod sessions;
pub(super) mod webhook_secret;
pub(super) mod webhook_url;
