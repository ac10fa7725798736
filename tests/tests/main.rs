//! The system from outside, one module an area; `docs/TESTING.md` says how to run one.

mod activity;
mod answers;
mod bad_input;
mod budgets;
mod clock;
mod cluster;
mod compose;
mod edge;
mod events;
mod failover;
mod idempotency;
mod instances;
mod kill;
mod logins;
mod members;
mod peers;
mod postgres;
mod redis;
mod rooms;
mod saga;
mod sessions;
mod sockets;
mod tenancy;
mod tls;
mod walk;
