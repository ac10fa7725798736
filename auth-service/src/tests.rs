//! The use-cases against a real PostgreSQL, called as gRPC calls them.

mod directory;
mod fixture;
mod idempotency;
mod login;
mod outbox;
mod participation;
mod participation_model;
mod password;
mod receiver;
mod register;
mod removal;
mod rotation;
mod service;
mod session;
mod ticket;
mod token;
