//! gRPC as every service speaks it: one way to serve, to answer, to call.

mod client;
mod first_that_answers;
mod observe;
mod server;
mod targets;

pub use self::{
    client::{authorize, channel, outbound},
    observe::{REQUEST_ID, current_request_id, with_request_id},
    server::{Caller, answer, serve},
    targets::{InvalidTarget, Target, Targets},
};
