//! The sockets of calendar-service from outside: real clients on a real
//! listener over a real PostgreSQL. auth-service is the one stand-in: its keys,
//! its list of ended sessions, and a participant side that agrees to everything.

mod client;
mod endings;
mod house;
mod instances;
mod ledger;
mod limits;
mod malformed;
mod participants;
mod redis_server;
mod rooms;
mod socket_io_client;
mod socketio;
