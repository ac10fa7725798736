//! Load programs that print tables: what a request, a delivery, a login and a
//! query cost, each beside its goal.
//!
//! The life of one run: a program in `src/bin/` raises the descriptor limit and
//! starts a [`system::System`] — a private PostgreSQL with fsync on, and the real
//! binaries of auth-service, calendar-service and gateway (for timers also of
//! notification-service), each a process of its own on free loopback ports with the limits raised by their settings. Accounts
//! register and log in as people do ([`account`]). Then [`load`], [`room`] or [`timer`]
//! drives it through clients that cost little ([`http_client`], [`websocket`]),
//! while [`process`] reads what each process spent. The figures that carry a goal
//! are CPU times, so another program on the machine moves them little.
//!
//! Nothing here fails because a figure is poor; it fails when an answer is wrong.
//! `docs/BENCHMARKS.md` says how to read the tables.

pub mod account;
pub mod activity;
pub mod bare_hash;
pub mod bare_relay;
pub mod callgrind;
pub mod doors;
pub mod event;
pub mod fan_out;
pub mod goal;
pub mod http_client;
pub mod idle;
pub mod interrupt;
pub mod latency;
pub mod load;
pub mod login;
pub mod machine;
pub mod postgres;
pub mod process;
pub mod read;
pub mod redis;
pub mod relay;
pub mod room;
pub mod service;
pub mod statement;
pub mod system;
pub mod table;
pub mod timer;
pub mod trial;
pub mod websocket;
