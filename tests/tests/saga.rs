//! create_event: a crash, a hang and a refusal at every point, forward and back.
//!
//! Whatever happens: every saga ends, an event is visible exactly when every participant's record is there,
//! and nobody ever reads an event that is pending or was undone.

mod changes;
mod control;
mod create;
mod lane;
mod parked;
mod reader;
