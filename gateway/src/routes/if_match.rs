//! `If-Match`: the precondition of every write to an event (RFC 9110, 13.1.1;
//! RFC 6585 for 428).

use axum::extract::FromRequestParts;
use chassis::fault::{Fault, Reason};
use http::{HeaderMap, header, request::Parts};

use crate::problem::Problem;

/// The etag that the caller knows, without quotes, or `*` for any.
///
/// 428 without the header; 400 when it is not one quoted entity tag or `*`;
/// 412 for a weak one, which by the strong comparison never matches.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IfMatch(pub(super) String);

/// Why a precondition is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// There is none.
    Missing,
    /// It is not one quoted entity tag or `*`.
    Malformed,
    /// It can match no event.
    Matchless,
}

// === impl IfMatch ===

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self::read(&parts.headers)?)
    }
}

impl IfMatch {
    fn read(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut lines = headers.get_all(header::IF_MATCH).iter();
        let line = lines.next().ok_or(Refused::Missing)?;
        let one = if lines.next().is_none() { line.to_str().ok() } else { None };
        let one = one.ok_or(Refused::Malformed)?.trim();
        if one == "*" {
            return Ok(Self("*".to_owned()));
        }
        let (weak, tag) = one.strip_prefix("W/").map_or((false, one), |tag| (true, tag));
        let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or(Refused::Malformed)?;
        if tag.is_empty() || !tag.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"') {
            return Err(Refused::Malformed);
        }
        // `"*"` is a tag of one star, and none of ours: it must not pass for "any".
        if weak || tag == "*" {
            return Err(Refused::Matchless);
        }
        Ok(Self(tag.to_owned()))
    }
}

// === impl Refused ===

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Missing => Self::precondition_required(),
            Refused::Malformed => {
                Fault::invalid("If-Match", "must be the one quoted entity tag of the event, or *").into()
            }
            Refused::Matchless => {
                Fault::new(Reason::Stale, "a weak or foreign entity tag never matches").into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(lines: &[&str]) -> Result<String, (u16, &'static str)> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_MATCH, HeaderValue::from_str(line).expect("a header value"));
        }
        let read = IfMatch::read(&headers).map_err(Problem::from);
        read.map(|IfMatch(tag)| tag).map_err(|problem| (problem.status().as_u16(), problem.code()))
    }

    #[test]
    fn a_strong_tag_and_the_star_pass() {
        assert_eq!(read(&["\"9f-1\""]), Ok("9f-1".to_owned()));
        assert_eq!(read(&[" \"9f-1\" "]), Ok("9f-1".to_owned()));
        assert_eq!(read(&["*"]), Ok("*".to_owned()));
    }

    #[test]
    fn without_one_a_write_is_refused() {
        assert_eq!(read(&[]), Err((428, "precondition_required")));
    }

    #[test]
    fn a_tag_that_cannot_match_is_stale() {
        for tag in ["W/\"9f-1\"", "\"*\""] {
            assert_eq!(read(&[tag]), Err((412, "stale")), "{tag}");
        }
    }

    #[test]
    fn anything_else_is_invalid() {
        for lines in [
            &["9f-1"][..],
            &["\"9f-1"],
            &["\"\""],
            &[""],
            &["\"a\", \"b\""],
            &["\"a\"", "\"b\""],
            &["\"a b\""],
        ] {
            assert_eq!(read(lines), Err((400, "invalid")), "{lines:?}");
        }
    }
}
