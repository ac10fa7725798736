//! Why a call has no answer, and what may be concluded from that.

use tonic::{Code, Status};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Nobody is ready to be asked.
    NobodyReady,
    /// Too many calls are under way.
    TooMany,
    /// There is no connection: nothing happened, whatever the method.
    Unreached,
    /// The request was not taken: nothing happened, whatever the method.
    NotTaken,
    /// The request was sent, and then the connection broke.
    BrokeOff,
    /// No answer within the deadline.
    Late,
}

// === impl Failure ===

impl Failure {
    /// What a stream's error says about its request. A service that goes away
    /// names the last stream it will answer (RFC 9113, 6.8 and 8.7): later ones
    /// were not processed.
    pub(super) fn of_stream(error: &h2::Error) -> Self {
        let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        let going = error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR);
        if refused || going { Self::NotTaken } else { Self::BrokeOff }
    }

    /// As a gRPC code, before it is known what the method does.
    pub(super) const fn code(self) -> Code {
        match self {
            Self::NobodyReady | Self::TooMany | Self::Unreached | Self::NotTaken | Self::BrokeOff => {
                Code::Unavailable
            }
            Self::Late => Code::DeadlineExceeded,
        }
    }

    /// Whether the instance is to blame, or the way to it. One that goes away in
    /// order, or has no room for another stream, is well.
    pub(super) const fn blames(self) -> bool {
        matches!(self, Self::Unreached | Self::BrokeOff | Self::Late)
    }

    /// What the caller hears. `unavailable` promises that nothing happened.
    pub(super) fn status(self, idempotent: bool) -> Status {
        match self {
            Self::TooMany => Status::unavailable("too many calls at once"),
            Self::NobodyReady | Self::Unreached | Self::NotTaken => Status::unavailable("cannot be reached"),
            Self::BrokeOff if idempotent => Status::unavailable("broke off"),
            Self::BrokeOff | Self::Late => Status::deadline_exceeded("no answer in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_broke_off_may_have_happened() {
        assert_eq!(Failure::BrokeOff.status(false).code(), Code::DeadlineExceeded);
        assert_eq!(Failure::BrokeOff.status(true).code(), Code::Unavailable);
        assert_eq!(Failure::NotTaken.status(false).code(), Code::Unavailable);
        assert_eq!(Failure::Late.status(true).code(), Code::DeadlineExceeded);
    }

    #[test]
    fn a_refused_stream_was_not_processed() {
        let refused = h2::Error::from(h2::Reason::REFUSED_STREAM);
        assert_eq!(Failure::of_stream(&refused), Failure::NotTaken);
        let broken = h2::Error::from(h2::Reason::INTERNAL_ERROR);
        assert_eq!(Failure::of_stream(&broken), Failure::BrokeOff);
    }
}
