//! Why a connection ends, with its WebSocket close code and reason.
//!
//! Source: CONTRACTS, "The room"; RFC 6455, 7.4. Socket.IO has no close codes:
//! there the same ends are a disconnect.

use chassis::fault::{Fault, Reason};
use tokio_tungstenite::tungstenite::{
    self,
    error::{CapacityError, ProtocolError},
    protocol::{CloseFrame, frame::coding::CloseCode},
};

/// Every way in which this side ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseReason {
    /// The session was ended, or its time is over.
    SessionEnded,
    /// This instance, or the gateway in between, goes away.
    GoingAway,
    /// Frames pile up: the reader is too slow.
    TooSlow,
    /// A message over the bound.
    TooLarge,
    /// A binary message; the room speaks text.
    Binary,
    /// Text that is not UTF-8.
    BadText,
    /// Too many frames a second.
    TooFast,
    /// Too many malformed frames a minute.
    Malformed,
    /// No pong in time.
    Silent,
    /// Frames that RFC 6455 does not allow.
    Protocol,
}

// === impl CloseReason ===

impl CloseReason {
    /// The close code on the wire.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::SessionEnded => 4401,
            Self::GoingAway => 1012,
            Self::TooSlow => 1013,
            Self::TooLarge => 1009,
            Self::Binary => 1003,
            Self::BadText => 1007,
            Self::TooFast | Self::Malformed => 1008,
            Self::Silent => 1001,
            Self::Protocol => 1002,
        }
    }

    /// The reason on the wire, at most 123 bytes.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::SessionEnded => "session ended",
            Self::GoingAway => "going away, connect again",
            Self::TooSlow => "too slow, connect again and resume",
            Self::TooLarge => "message too large",
            Self::Binary => "text only",
            Self::BadText => "text is not UTF-8",
            Self::TooFast => "too many frames",
            Self::Malformed => "too many malformed frames",
            Self::Silent => "no pong",
            Self::Protocol => "protocol error",
        }
    }

    /// The close frame.
    pub(super) fn frame(self) -> CloseFrame {
        CloseFrame { code: CloseCode::from(self.code()), reason: self.text().into() }
    }

    /// The same for Socket.IO, told before the disconnect.
    pub(super) fn fault(self) -> Fault {
        let reason = match self {
            Self::SessionEnded => Reason::Unauthenticated,
            Self::GoingAway | Self::TooSlow | Self::Silent => Reason::Unavailable,
            Self::TooFast => Reason::RateLimited,
            Self::TooLarge | Self::Binary | Self::BadText | Self::Malformed | Self::Protocol => {
                Reason::Invalid
            }
        };
        Fault::new(reason, self.text())
    }

    /// What an error of the protocol library means; `None`: the transport is
    /// gone and there is nobody left to tell.
    pub(super) fn of(error: &tungstenite::Error) -> Option<Self> {
        match error {
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => Some(Self::TooLarge),
            tungstenite::Error::Utf8(_) => Some(Self::BadText),
            tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
            tungstenite::Error::Protocol(_) | tungstenite::Error::Capacity(_) => Some(Self::Protocol),
            _ => None,
        }
    }
}
