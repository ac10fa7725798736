//! The figures of the rooms, registered once and kept as handles: an increment
//! on the hot path is one atomic addition.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use super::close::CloseReason;

/// Every metric of the sockets.
#[derive(Debug)]
pub(super) struct Meters {
    /// Open connections, both kinds.
    pub(super) sockets: Gauge,
    /// Rooms that somebody here is in.
    pub(super) rooms: Gauge,
    /// Frames from clients.
    pub(super) frames_in: Counter,
    /// Frames to clients.
    pub(super) frames_out: Counter,
    /// Bytes that slow readers make us keep.
    queued_bytes: Gauge,
    /// Readers that were told to read anew.
    pub(super) resyncs: Counter,
    /// Gaps in a room that had to be read from the log.
    pub(super) gaps: Counter,
    /// Statements that committed messages.
    pub(super) commits: Counter,
    /// Messages in them.
    pub(super) committed: Counter,
}

// === impl Meters ===

impl Meters {
    /// Registers everything with the recorder of the process.
    pub(super) fn new() -> Self {
        describe_gauge!("socket_connections", "Open sockets, raw and Socket.IO.");
        describe_gauge!("socket_rooms", "Rooms that somebody here is in.");
        describe_gauge!("socket_queued_bytes", "Bytes kept for readers that are slow.");
        describe_counter!("socket_frames_in_total", "Frames from clients.");
        describe_counter!("socket_frames_out_total", "Frames of rooms to clients, counted per client.");
        describe_counter!("socket_resyncs_total", "Clients that had missed too much to be replayed.");
        describe_counter!("socket_gaps_total", "Gaps in what a room was told, read from the log.");
        describe_counter!("socket_message_commits_total", "Statements that kept messages.");
        describe_counter!("socket_messages_total", "Messages kept.");
        describe_counter!("socket_closes_total", "Sockets closed by this side, by close code.");
        Self {
            sockets: gauge!("socket_connections", "service" => "calendar"),
            rooms: gauge!("socket_rooms", "service" => "calendar"),
            frames_in: counter!("socket_frames_in_total", "service" => "calendar"),
            frames_out: counter!("socket_frames_out_total", "service" => "calendar"),
            queued_bytes: gauge!("socket_queued_bytes", "service" => "calendar"),
            resyncs: counter!("socket_resyncs_total", "service" => "calendar"),
            gaps: counter!("socket_gaps_total", "service" => "calendar"),
            commits: counter!("socket_message_commits_total", "service" => "calendar"),
            committed: counter!("socket_messages_total", "service" => "calendar"),
        }
    }

    /// The bytes kept changed by this many.
    pub(super) fn queued(&self, by: f64) {
        if by != 0.0 {
            self.queued_bytes.increment(by);
        }
    }

    /// A connection was closed by this side.
    #[expect(clippy::unused_self, reason = "a meter like the others; the label makes it a lookup")]
    pub(super) fn closed(&self, reason: CloseReason) {
        counter!("socket_closes_total", "service" => "calendar", "code" => reason.code().to_string())
            .increment(1);
    }
}
