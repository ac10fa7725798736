//! gRPC as every service speaks it: one way to serve, to answer, to call.

mod callers;
mod calls;
mod client;
mod credentials;
mod first_that_answers;
mod observe;
mod server;
mod targets;

pub(crate) use self::callers::Vouched;
pub use self::{
    callers::Callers,
    client::{authorize, channel, channel_on, outbound},
    credentials::{TOKEN, shows_token, token_value},
    observe::{REQUEST_ID, current_request_id, with_request_id},
    server::{Caller, Guard, answer, serve, serve_guarded},
    targets::{InvalidTarget, Target, Targets},
};
