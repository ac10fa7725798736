//! The system from outside, one module an area; `docs/TESTING.md` says how to run one.

mod answers;
mod budgets;
mod compose;
mod dashboards;
mod edge;
mod events;
mod idempotency;
mod members;
mod peers;
mod postgres;
mod redis;
mod sessions;
mod sockets;
mod tenancy;
mod walk;
