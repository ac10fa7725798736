//! Requests to addresses that people gave: the one egress client.
//!
//! A [`Target`] is parsed strictly, its name is resolved once for each
//! connection, every address is checked by the [`Guard`], and the address that
//! was checked is the one that is connected to. No redirects, no proxies out of
//! the environment, no decompression; time and answers are bounded. (PROMISES,
//! rule 17; Standard Webhooks.)

mod client;
mod connect;
mod guard;
mod pool;
mod resolve;
mod schedule;
mod signature;
mod target;
mod trust;

pub use self::{
    client::{Client, Failure, Message},
    guard::Guard,
    resolve::{Resolve, SystemResolver},
    schedule::Schedule,
    signature::sign,
    target::Target,
    trust::trust,
};
