//! The keys that sign access tokens.
//!
//! Keys live in the database, their private half sealed with the operator's
//! key file ([`seal`]). Every instance keeps the published ones in a
//! [`ring::KeyRing`], which signs and answers the JSON Web Key Set;
//! [`rotation`] makes, publishes and drops them.

pub(crate) mod key;
pub(crate) mod ring;
pub(crate) mod rotation;
pub(crate) mod seal;
