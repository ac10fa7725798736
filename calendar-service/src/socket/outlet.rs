//! Where frames go: the one difference between the two kinds of sockets that
//! the hub and the rooms have to do with.

use std::fmt::Debug;

use chassis::fault::Fault;
use futures::future::BoxFuture;

use super::{close::CloseReason, frame::Success, room::Gone, wire::Block};

/// The write side of a socket.
pub(super) trait Outlet: Debug + Send + Sync + 'static {
    /// Sends frames now; what the client does not take waits, within bounds.
    fn send(&self, block: &Block);
    /// Sends frames of a replay as fast as the client takes them; false when
    /// the listener is in the room no more, or the socket at its end.
    fn send_patiently<'a>(&'a self, block: &'a Block, gone: &'a Gone) -> BoxFuture<'a, bool>;
    /// Sends what waits.
    fn flush(&self);
    /// Closes the socket, behind what waits.
    fn close(&self, reason: CloseReason);
    /// Wakes the socket's pump.
    fn nudge(&self);
}

/// A write side that answers what the client asks.
pub(super) trait Answering: Outlet {
    /// How a client wants one frame answered.
    type Reply: Debug + Send + 'static;

    /// Answers a frame. The answer may wait for a flush, so that it shares a
    /// write with what follows.
    fn answer(&self, reply: Self::Reply, outcome: Result<Success, Fault>);
}
