//! The sockets of calendar-service from outside: real clients on a real
//! listener over a real PostgreSQL. auth-service is the one stand-in: its keys,
//! its list of ended sessions, and a participant side that agrees to everything.

mod client;
mod commands;
mod endings;
mod gathering;
mod house;
mod idempotency;
mod inbox;
mod instances;
mod ledger;
mod limits;
mod malformed;
#[path = "../core/notification_double.rs"]
#[expect(dead_code, reason = "what it knows of events is the business of the other tests")]
mod notification_double;
mod participants;
mod recent;
mod redis_server;
mod rooms;
mod socket_io_client;
mod socketio;
