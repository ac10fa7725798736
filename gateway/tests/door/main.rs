//! The gateway from outside, over real sockets, before services that exist for
//! one test.

mod auth;
mod calendar;
mod client;
mod h2_service;
mod instance;
mod redis_server;
mod signer;
mod stack;

mod answers;
mod balance;
mod limits;
mod places;
mod sessions;
mod slow_peers;
mod sockets;
mod upstream;
