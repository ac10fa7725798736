//! The inbound side: what happens to a request before and after its handler.

pub mod body;
pub mod client_address;
mod field;
pub mod limit;
pub mod query;
pub mod request_id;
pub mod session;
