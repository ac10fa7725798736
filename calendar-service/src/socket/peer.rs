//! The state machine of one connection: a frame in, a step out. No socket, no
//! clock, no database.
//!
//! A [`Visitor`] is connected and nobody yet; only [`Visitor::admit`] makes a
//! [`Member`], and only a `Member` understands frames: the handshake cannot be
//! forgotten, because the method does not exist before it.

use std::time::Instant;

use chassis::fault::{Fault, Reason};
use serde_json::Value;
use uuid::Uuid;

use super::{
    ask::{Ask, ClientFrame},
    close::CloseReason,
    frame::ServerFrame,
    limits::{Pace, SocketLimits, Strikes},
};

/// A connection whose account is not known.
#[derive(Debug)]
pub(super) struct Visitor {
    pace: Pace,
    strikes: Strikes,
}

/// A connection of a known account.
#[derive(Debug)]
pub(super) struct Member {
    pace: Pace,
    strikes: Strikes,
}

/// What is to be done about a frame. `R` is how it is answered: the client's
/// `id` on `/ws`, the callback on Socket.IO.
#[derive(Debug)]
pub(super) enum Step<R> {
    /// Do this, then answer.
    Do(R, Ask),
    /// Answer with this failure.
    Refuse(R, Fault),
    /// Answer with this failure, then close.
    RefuseAndClose(R, Fault, CloseReason),
}

// === impl Visitor ===

impl Visitor {
    /// Somebody connected.
    pub(super) fn new(limits: &SocketLimits) -> Self {
        Self {
            pace: Pace::new(limits.frames_per_second, limits.frame_burst),
            strikes: Strikes::new(limits.malformed_per_minute),
        }
    }

    /// It is this account: the member, and the first frame to send.
    pub(super) fn admit(self, username: &str, connection_id: Uuid) -> (Member, ServerFrame) {
        let Self { pace, strikes } = self;
        (Member { pace, strikes }, ServerFrame::connected(username, connection_id))
    }
}

// === impl Member ===

impl Member {
    /// A text of `/ws`.
    pub(super) fn on_text(&mut self, text: &str, now: Instant) -> Step<Option<Value>> {
        match ClientFrame::parse(text) {
            Ok(ClientFrame { id, ask }) => self.on_ask(id, ask, now),
            Err(malformed) => self.on_malformed(malformed.id, malformed.fault, now),
        }
    }

    /// A frame that was read, well or not.
    pub(super) fn on_ask<R>(&mut self, reply: R, ask: Result<Ask, Fault>, now: Instant) -> Step<R> {
        if !self.pace.take(now) {
            return Self::too_fast(reply);
        }
        match ask {
            Ok(ask) => Step::Do(reply, ask),
            Err(fault) => Step::Refuse(reply, fault),
        }
    }

    /// Something that is no frame: refused, and a few of them in a minute are
    /// the end.
    pub(super) fn on_malformed<R>(&mut self, reply: R, fault: Fault, now: Instant) -> Step<R> {
        if !self.pace.take(now) {
            return Self::too_fast(reply);
        }
        if self.strikes.add(now) {
            Step::RefuseAndClose(reply, fault, CloseReason::Malformed)
        } else {
            Step::Refuse(reply, fault)
        }
    }

    /// A ping or pong of the client's: it costs as much as any frame.
    pub(super) fn on_control(&mut self, now: Instant) -> Result<(), CloseReason> {
        if self.pace.take(now) { Ok(()) } else { Err(CloseReason::TooFast) }
    }

    fn too_fast<R>(reply: R) -> Step<R> {
        Step::RefuseAndClose(reply, Fault::of(Reason::RateLimited), CloseReason::TooFast)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chassis::clock::{Clock as _, SystemClock};

    use super::*;

    const FINE: &str = r#"{"type":"message","id":1,"message":"hi"}"#;

    fn member() -> Member {
        Visitor::new(&SocketLimits::default()).admit("ann", Uuid::nil()).0
    }

    #[test]
    fn the_first_frame_says_who_connected() {
        let (_, frame) = Visitor::new(&SocketLimits::default()).admit("ann", Uuid::nil());
        assert_eq!(serde_json::to_value(frame).unwrap()["message"], "ann has connected");
    }

    #[test]
    fn the_frame_over_the_limit_is_refused_and_ends_it() {
        let now = SystemClock.monotonic();
        let mut member = member();
        for _ in 0..60 {
            assert!(matches!(member.on_text(FINE, now), Step::Do(Some(_), Ask::Message { .. })));
        }
        let Step::RefuseAndClose(Some(id), fault, CloseReason::TooFast) = member.on_text(FINE, now) else {
            panic!("the 61st frame at once went through");
        };
        assert_eq!((id, fault.reason), (1.into(), Reason::RateLimited));
    }

    #[test]
    fn nine_malformed_frames_are_refused_and_the_tenth_ends_it() {
        let now = SystemClock.monotonic();
        let mut member = member();
        for _ in 0..9 {
            assert!(matches!(member.on_text("{", now), Step::Refuse(None, _)));
        }
        assert!(matches!(member.on_text("{", now), Step::RefuseAndClose(None, _, CloseReason::Malformed)));
    }

    #[test]
    fn a_readable_frame_with_a_wrong_field_is_no_strike() {
        let mut now = SystemClock.monotonic();
        let mut member = member();
        for _ in 0..30 {
            now += Duration::from_millis(50);
            let step = member.on_text(r#"{"type":"message","message":5}"#, now);
            assert!(matches!(step, Step::Refuse(None, fault) if fault.fields[0].field == "message"));
        }
    }
}
