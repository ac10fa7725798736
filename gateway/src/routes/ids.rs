//! What paths name.
//!
//! An id that is no UUID names nothing: it is answered like one that is not
//! there, so that nobody learns the difference.

use axum::{
    RequestPartsExt as _,
    extract::{FromRequestParts, Path, rejection::PathRejection},
};
use chassis::fault::{Fault, Reason};
use http::request::Parts;
use uuid::Uuid;

use crate::problem::Problem;

/// `{calendar_id}` of a path, in canonical form.
pub(super) struct CalendarId(pub(super) String);
/// `{event_id}` of a path, in canonical form.
pub(super) struct EventId(pub(super) String);
/// `{session_id}` of a path, in canonical form.
pub(super) struct SessionId(pub(super) String);
/// `{timer_id}` of a path, in canonical form.
pub(super) struct TimerId(pub(super) String);
/// `{seq}` of a path: a place in the inbox.
pub(super) struct InboxSeq(pub(super) i64);

/// `{calendar_id}` and `{username}` of a path.
pub(super) struct MemberPath {
    pub(super) calendar_id: String,
    pub(super) username: String,
}

/// The length of `8-4-4-4-12`; the parser knows other forms, paths do not.
const CANONICAL: usize = 36;

// === impl ids ===

impl<S: Send + Sync> FromRequestParts<S> for CalendarId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        only(parts, Reason::CalendarNotFound).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for EventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        only(parts, Reason::EventNotFound).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        only(parts, Reason::SessionNotFound).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for TimerId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        only(parts, Reason::TimerNotFound).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InboxSeq {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> = parts.extract().await;
        let Path(text) = path.map_err(|_| absent(Reason::NotFound))?;
        place(&text).map(Self).ok_or_else(|| absent(Reason::NotFound))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for MemberPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path: Result<Path<(String, String)>, PathRejection> = parts.extract().await;
        // Text that is not UTF-8 is no id and no name either.
        let Path((id, username)) = path.map_err(|_| absent(Reason::CalendarNotFound))?;
        let calendar_id = canonical(&id).ok_or_else(|| absent(Reason::CalendarNotFound))?;
        Ok(Self { calendar_id, username })
    }
}

async fn only(parts: &mut Parts, absent_as: Reason) -> Result<String, Problem> {
    let path: Result<Path<String>, PathRejection> = parts.extract().await;
    let Path(id) = path.map_err(|_| absent(absent_as))?;
    canonical(&id).ok_or_else(|| absent(absent_as))
}

fn canonical(id: &str) -> Option<String> {
    if id.len() != CANONICAL {
        return None;
    }
    Uuid::try_parse(id).ok().map(|id| id.to_string())
}

/// A `seq`: digits alone, from 1.
fn place(text: &str) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seq| digits && *seq > 0)
}

fn absent(reason: Reason) -> Problem {
    Fault::of(reason).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_canonical_uuid_or_names_nothing() {
        let good = "019a9d2e-0000-7000-8000-00000000abcd";
        assert_eq!(canonical(good).as_deref(), Some(good));
        assert_eq!(canonical(&good.to_uppercase()).as_deref(), Some(good));
        for bad in [
            "",
            "1",
            "019a9d2e000070008000000000000abc",
            &format!("urn:uuid:{good}"),
            "'; --",
            &"é".repeat(18),
        ] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_place_in_the_inbox_is_a_number_or_names_nothing() {
        assert_eq!((place("1"), place("9223372036854775807")), (Some(1), Some(i64::MAX)));
        for bad in ["", "0", "-1", "+1", "1.0", "9223372036854775808", "x"] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }
}
