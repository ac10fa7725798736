//! Calendars, members, events, rooms over WebSocket and Socket.IO, and the
//! create_event saga.
//!
//! The life of one request: [`rpc`] (or the socket) identifies the caller and
//! calls a use-case ([`calendar`], [`member`], [`event`], [`change`]). A
//! use-case that changes something locks its calendar, writes the new state,
//! appends to the calendar's log and the outbox, and commits: one transaction.
//! Only then does the [`bus`] tell the rooms. Creating an event is a [`saga`]
//! with auth-service; later changes go there forward only, by the [`outbox`].
//!
//! Imports point down: main → cli → app → {rpc, socket} → use-cases →
//! {store, clients} → model.

pub mod bus;
pub mod calendar;
pub mod change;
mod error;
pub mod event;
pub mod ical;
pub mod member;
pub mod message;
pub mod model;
pub mod outbox;
pub mod password;
pub mod saga;
pub mod service;
pub mod socket;
pub mod store;
pub mod tunnels;

/// The schema of the calendar database; applied at start under an advisory lock.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../migrations/calendar");
