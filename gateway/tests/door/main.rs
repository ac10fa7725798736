//! The gateway from outside, over real sockets, before services that exist for
//! one test.

mod activity;
mod auth;
mod calendar;
mod client;
mod h2_service;
mod instance;
mod notification;
mod redis_server;
mod signer;
mod stack;

mod answers;
mod balance;
mod limits;
mod notifications;
mod places;
mod repeats;
mod sessions;
mod shared_limits;
mod slow_peers;
mod sockets;
mod timers;
mod upstream;
