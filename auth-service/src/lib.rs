//! Accounts, sessions, token signing and saga participants.
