//! The one table of faults.
//!
//! A [`FaultCode`] is a class of failure with its gRPC code and its HTTP status
//! side by side. A [`Reason`] is the stable `code` that clients read, the same
//! spelling on HTTP and sockets; each belongs to one class. A [`Fault`] is one
//! failure: reason, text for people, field errors. It crosses gRPC as
//! `google.rpc` details, so nothing on the wire is serialised Rust.
//!
//! Source: CONTRACTS, General; RFC 9457; google.rpc error model.

use std::{error::Error, fmt, time::Duration};

use http::StatusCode;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// The domain of every `google.rpc.ErrorInfo` we send.
const DOMAIN: &str = "shared-calendar";
/// `ErrorInfo.metadata` key that carries [`Fault::names`], newline-separated.
const NAMES: &str = "names";
/// `ErrorInfo.metadata` key that stands for [`Fault::replayed`].
const REPLAYED: &str = "replayed";

/// A class of failure. Voluntarily few: think before adding one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCode {
    /// The request itself is wrong; repeating it will not help.
    Invalid,
    /// No, a broken, an expired or a revoked credential.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or not for this caller.
    NotFound,
    /// Clashes with what is there.
    Conflict,
    /// A precondition (`If-Match`) does not hold any more.
    Stale,
    /// Well-formed, and contradicts an earlier request that it claims to repeat.
    Unprocessable,
    /// Too many requests.
    TooMany,
    /// Our fault. The text never leaves the process.
    Internal,
    /// A part that is needed does not serve right now; try again.
    Unavailable,
    /// No answer in time; whether it happened is not known.
    Deadline,
}

/// Declares [`Reason`]: variant, stable spelling, class, title for people.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $class:ident, $title:literal;)+) => {
        /// The stable `code` of a failure, the same on HTTP and on sockets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            /// Every reason, in the order of `docs/ERRORS.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The spelling that clients see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The class that decides gRPC code and HTTP status.
            pub const fn fault_code(self) -> FaultCode {
                match self { $(Self::$variant => FaultCode::$class,)+ }
            }

            /// The `title` of the problem document.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// The reason with this spelling.
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// Input that breaks a rule; `errors` names the fields.
    Invalid = "invalid", Invalid, "The request is not valid";
    /// A feature this version does not have (`rrule`).
    Unsupported = "unsupported", Invalid, "This is not supported yet";
    /// A text over its bound.
    TooLong = "too_long", Invalid, "The text is too long";
    /// The one answer for every bad token.
    Unauthenticated = "unauthenticated", Unauthenticated, "Authentication is required";
    /// Login with an unknown name or a wrong password: indistinguishable.
    InvalidCredentials = "invalid_credentials", Unauthenticated, "The username or password is wrong";
    /// A wrong, or absent, calendar or account password.
    WrongPassword = "wrong_password", Forbidden, "The password is wrong";
    /// Removed by an owner and not re-admitted.
    Barred = "barred", Forbidden, "You were removed from this calendar";
    /// A viewer tried to write.
    ReadOnly = "read_only", Forbidden, "Your role may only read";
    /// Only for owners, or not allowed by the operator.
    Forbidden = "forbidden", Forbidden, "You may not do this";
    /// `REGISTRATION` does not let this registration through.
    RegistrationClosed = "registration_closed", Forbidden, "Registration is not open";
    /// The browser's `Origin` is not in the list.
    OriginRefused = "origin_refused", Forbidden, "This origin is not allowed";
    /// No such calendar for this caller.
    CalendarNotFound = "calendar_not_found", NotFound, "There is no such calendar";
    /// No such event for this caller.
    EventNotFound = "event_not_found", NotFound, "There is no such event";
    /// `get_events` found none.
    NoEvents = "no_events", NotFound, "There are no events";
    /// By name, and the caller is not in it.
    NotAMember = "not_a_member", NotFound, "You are not a member of this calendar";
    /// No such member in this calendar.
    MemberNotFound = "member_not_found", NotFound, "There is no such member";
    /// No such session of the caller's.
    SessionNotFound = "session_not_found", NotFound, "There is no such session";
    /// No such timer of the caller's.
    TimerNotFound = "timer_not_found", NotFound, "There is no such timer";
    /// No such route.
    NotFound = "not_found", NotFound, "There is nothing here";
    /// The username is in use.
    UsernameTaken = "username_taken", Conflict, "The username is taken";
    /// The calendar name is in use.
    CalendarNameTaken = "calendar_name_taken", Conflict, "The calendar name is taken";
    /// This connection is in that room already.
    AlreadyInCalendar = "already_in_calendar", Conflict, "You are already in this calendar";
    /// Participants that are not members, or whose accounts are gone.
    ParticipantUnknown = "participant_unknown", Conflict, "A participant is not known";
    /// A calendar keeps at least one owner.
    LastOwner = "last_owner", Conflict, "A calendar needs an owner";
    /// It is too late to cancel the timer.
    TimerFired = "timer_fired", Conflict, "The timer has fired";
    /// Only a timer that failed can be sent again.
    TimerNotFailed = "timer_not_failed", Conflict, "The timer has not failed";
    /// The saga was released; a late step is refused. Between services only.
    SagaReleased = "saga_released", Conflict, "The operation was undone";
    /// The first request with this idempotency key has no answer yet.
    IdempotencyInFlight = "idempotency_in_flight", Conflict, "The first request with this idempotency key is still running";
    /// `If-Match` does not match.
    Stale = "stale", Stale, "Somebody changed it meanwhile";
    /// The idempotency key came with another request before.
    IdempotencyMismatch = "idempotency_mismatch", Unprocessable, "The idempotency key was used for another request";
    /// Over a limit.
    RateLimited = "rate_limited", TooMany, "Too many requests";
    /// More sockets than an account may have.
    TooManySockets = "too_many_sockets", TooMany, "Too many open connections";
    /// Our fault.
    Internal = "internal", Internal, "Something went wrong on our side";
    /// A needed part is away.
    Unavailable = "unavailable", Unavailable, "A part of the service is not available";
    /// No answer in time.
    DeadlineExceeded = "deadline_exceeded", Deadline, "There was no answer in time";
}

/// One broken field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name as the client spells it.
    pub field: String,
    /// What is wrong with it, for people.
    pub message: String,
}

/// One failure, ready to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The stable code.
    pub reason: Reason,
    /// One sentence for people; generic for 5xx.
    pub detail: String,
    /// The fields at fault; empty when it is not about fields.
    pub fields: Vec<FieldError>,
    /// Names the failure is about, such as unknown participants.
    pub names: Vec<String>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// It is the first answer again, to a repeat with the same idempotency key.
    pub replayed: bool,
}

// === impl FaultCode ===

impl FaultCode {
    /// The gRPC status code.
    pub const fn grpc(self) -> Code {
        match self {
            Self::Invalid => Code::InvalidArgument,
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::Conflict => Code::AlreadyExists,
            Self::Stale | Self::Unprocessable => Code::FailedPrecondition,
            Self::TooMany => Code::ResourceExhausted,
            Self::Internal => Code::Internal,
            Self::Unavailable => Code::Unavailable,
            Self::Deadline => Code::DeadlineExceeded,
        }
    }

    /// The HTTP status.
    pub const fn http(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Deadline => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

// === impl Fault ===

impl Fault {
    /// A fault with a sentence for people.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            reason,
            detail: detail.into(),
            fields: Vec::new(),
            names: Vec::new(),
            retry_after: None,
            replayed: false,
        }
    }

    /// A fault whose sentence is the reason's title.
    pub fn of(reason: Reason) -> Self {
        Self::new(reason, reason.title())
    }

    /// One field is wrong.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::of(Reason::Invalid).with_field(field, message)
    }

    /// Our fault: logs the cause, here and only here, and keeps it inside.
    pub fn internal(cause: &dyn Error) -> Self {
        tracing::error!(error = %chain(cause), "request failed");
        Self::of(Reason::Internal)
    }

    /// A part that is needed does not serve; the caller may try again in a second.
    pub fn unavailable(part: impl fmt::Display) -> Self {
        Self::new(Reason::Unavailable, format!("{part} is not available, try again"))
            .with_retry_after(Duration::from_secs(1))
    }

    /// Adds a field error.
    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.fields.push(FieldError { field: field.into(), message: message.into() });
        self
    }

    /// Sets all field errors.
    pub fn with_fields(mut self, fields: Vec<FieldError>) -> Self {
        self.fields = fields;
        self
    }

    /// Sets the names the failure is about.
    pub fn with_names(mut self, names: Vec<String>) -> Self {
        self.names = names;
        self
    }

    /// Says when to try again.
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says that this is the first answer again.
    pub fn as_replay(mut self) -> Self {
        self.replayed = true;
        self
    }

    /// The class of the fault.
    pub const fn code(&self) -> FaultCode {
        self.reason.fault_code()
    }

    /// Reads a fault off a gRPC status: ours with all details, a foreign one
    /// by its code. `Unknown` is what a broken transport answers: unavailable.
    pub fn from_status(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        let ours = info.filter(|info| info.domain == DOMAIN).and_then(|info| Reason::parse(&info.reason));
        let Some(reason) = ours else {
            return Self::foreign(status);
        };
        let names = info.and_then(|info| info.metadata.get(NAMES));
        let fields = details.bad_request().map_or(&[][..], |bad| &bad.field_violations);
        Self {
            reason,
            detail: status.message().to_owned(),
            fields: fields
                .iter()
                .map(|f| FieldError { field: f.field.clone(), message: f.description.clone() })
                .collect(),
            names: names.map(|n| n.split('\n').map(str::to_owned).collect()).unwrap_or_default(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            replayed: info.is_some_and(|info| info.metadata.contains_key(REPLAYED)),
        }
    }

    fn foreign(status: &Status) -> Self {
        match status.code() {
            Code::Unavailable | Code::Unknown | Code::ResourceExhausted => {
                tracing::warn!(code = ?status.code(), message = status.message(), "upstream does not answer");
                Self::unavailable("a service")
            }
            // Nobody has said that: the connection broke, and this is what h2 makes of it.
            Code::Internal if status.source().is_some() => {
                tracing::warn!(message = status.message(), "upstream broke off");
                Self::unavailable("a service")
            }
            Code::DeadlineExceeded | Code::Cancelled => Self::of(Reason::DeadlineExceeded),
            Code::Unauthenticated => Self::of(Reason::Unauthenticated),
            Code::PermissionDenied => Self::of(Reason::Forbidden),
            code => {
                tracing::error!(?code, message = status.message(), "unexpected answer from upstream");
                Self::of(Reason::Internal)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.as_str(), self.detail)
    }
}

impl Error for Fault {}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let mut details = ErrorDetails::new();
        let mut metadata = std::collections::HashMap::new();
        if !fault.names.is_empty() {
            metadata.insert(NAMES.to_owned(), fault.names.join("\n"));
        }
        if fault.replayed {
            metadata.insert(REPLAYED.to_owned(), "true".to_owned());
        }
        details.set_error_info(fault.reason.as_str(), DOMAIN, metadata);
        if !fault.fields.is_empty() {
            let violations = fault.fields.into_iter();
            details.set_bad_request(
                violations.map(|f| FieldViolation::new(f.field, f.message)).collect::<Vec<_>>(),
            );
        }
        if let Some(after) = fault.retry_after {
            details.set_retry_info(Some(after));
        }
        Status::with_error_details(fault.reason.fault_code().grpc(), fault.detail, details)
    }
}

/// An error with its causes on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_read_back_from_its_spelling() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("no_such_code"), None);
    }

    #[test]
    fn a_fault_crosses_grpc_with_all_its_details() {
        for reason in Reason::ALL {
            let fault = Fault::new(*reason, "because")
                .with_field("event_start", "is not a date-time")
                .with_names(vec!["ann".into(), "bob".into()])
                .with_retry_after(Duration::from_secs(7))
                .as_replay();
            let status = Status::from(fault.clone());
            assert_eq!(status.code(), reason.fault_code().grpc());
            assert_eq!(Fault::from_status(&status), fault);
        }
    }

    #[test]
    fn a_broken_transport_is_unavailable() {
        let fault = Fault::from_status(&Status::unknown("transport error"));
        assert_eq!(fault.reason, Reason::Unavailable);
        assert!(fault.retry_after.is_some());
    }

    #[test]
    fn a_stream_that_broke_is_unavailable_too() {
        let mut broken = Status::internal("h2 protocol error: http2 error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("http2 error")));
        assert_eq!(Fault::from_status(&broken).reason, Reason::Unavailable);
    }

    #[test]
    fn a_foreign_internal_error_keeps_its_text_inside() {
        let fault = Fault::from_status(&Status::internal("relation \"x\" does not exist"));
        assert_eq!(fault.reason, Reason::Internal);
        assert!(!fault.detail.contains("relation"));
    }
}
