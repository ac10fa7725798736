//! JSON bodies: bounded in size and time, and a fault that names the field.

use std::{error::Error, time::Duration};

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use chassis::fault::Fault;
use http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::field;
use crate::problem::Problem;

/// CONTRACTS, General: 256 KiB.
pub const MAX_BYTES: usize = 256 * 1024;
/// From the head of a request to the end of its body (PROMISES, rule 11).
pub(super) const ARRIVES_WITHIN: Duration = Duration::from_secs(10);

/// A JSON body of at most 256 KiB, read into `T`.
///
/// Answers 400 `invalid` with the field named, 408, 413 or 415. A missing
/// `content-type` is taken for JSON, as are `application/json` and
/// `application/merge-patch+json`; anything else is 415. Unknown fields are ignored
/// where `T` does not say otherwise (CONTRACTS, General).
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        parse(&arrive(request).await?).map(Self).map_err(Problem::from)
    }
}

/// The whole body of a request, bounded in size and time.
pub async fn arrive(request: Request) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    if announced(&head.headers).is_some_and(|bytes| bytes > MAX_BYTES as u64) {
        return Err(Problem::body_too_large());
    }
    let arriving = Limited::new(body, MAX_BYTES).collect();
    let Ok(arrived) = timeout(ARRIVES_WITHIN, arriving).await else {
        return Err(Problem::body_timeout());
    };
    Ok(arrived.map_err(|error| broken(error.as_ref()))?.to_bytes())
}

/// The media type that a request names, without parameters, in small letters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or_default();
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Whether a body is JSON, or does not say what it is.
pub fn is_json(headers: &HeaderMap) -> bool {
    let Some(essence) = media_type(headers) else { return true };
    // Not every `+json`: a JSON Patch is another thing than a merge patch.
    matches!(essence.as_ref(), "application/json" | "application/merge-patch+json")
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A body that ended early, or did not stop in time.
fn broken(error: &(dyn Error + 'static)) -> Problem {
    if error.is::<LengthLimitError>() {
        Problem::body_too_large()
    } else {
        Fault::invalid("body", "did not arrive completely").into()
    }
}

/// Reads `T` from a JSON object; the fault names the first field that is wrong,
/// `body` when it is no object at all.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
    // serde would read a struct from an array, too.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(Fault::invalid("body", "must be a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| field::fault(&error, "body"))?;
    json.end().map_err(|_| Fault::invalid("body", "has something after the JSON value"))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Input {
        username: String,
        #[serde(default)]
        reminders: Vec<u32>,
    }

    fn field_of(json: &str) -> (String, String) {
        let fault = parse::<Input>(json.as_bytes()).expect_err("must be refused");
        let error = fault.fields.into_iter().next().expect("must name a field");
        (error.field, error.message)
    }

    async fn status_of(request: http::request::Builder, body: impl Into<Body>) -> u16 {
        let request = request.body(body.into()).expect("a request");
        match Json::<Input>::from_request(request, &()).await {
            Ok(_) => 200,
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[test]
    fn the_field_at_fault_is_named() {
        assert_eq!(field_of("{}").0, "username");
        assert_eq!(field_of(r#"{"username":5}"#).0, "username");
        assert_eq!(field_of(r#"{"username":null}"#).0, "username");
        assert_eq!(field_of(r#"{"username":"a","reminders":[1,"x"]}"#).0, "reminders[1]");
        assert_eq!(field_of(r#"{"username":"a","reminders":[-1]}"#).0, "reminders[0]");
        assert_eq!(field_of(r#"{"username":"\u0001"#).0, "username", "ends inside the field");
        assert_eq!(field_of(r#"{"username":5}"#).1, "invalid type: integer `5`, expected a string");
    }

    #[test]
    fn what_is_no_json_object_is_the_bodys_fault() {
        for body in
            ["", " ", "[\"ann\"]", "5", "null", "\"a\"", "{", "{x", r#"{"username":"a"} x"#, "\u{feff}{}"]
        {
            assert_eq!(field_of(body).0, "body", "{body}");
        }
        let deep = format!(r#"{{"username":"a","x":{}}}"#, "[".repeat(100_000));
        assert_eq!(field_of(&deep).0, "x", "bounded depth, not a stack overflow");
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let input: Input = parse(br#"{"username":"a","owner":"b"}"#).expect("is valid");
        assert_eq!((input.username.as_str(), input.reminders.len()), ("a", 0));
    }

    #[tokio::test]
    async fn the_content_type_decides() {
        let body = r#"{"username":"a"}"#;
        for (kind, status) in [
            ("application/json", 200),
            ("Application/JSON; charset=utf-8", 200),
            ("application/merge-patch+json", 200),
            ("application/x-www-form-urlencoded", 415),
            ("text/plain", 415),
            ("application/jsonp", 415),
            ("application/json-patch+json", 415),
        ] {
            let request = http::Request::builder().header(header::CONTENT_TYPE, kind);
            assert_eq!(status_of(request, body).await, status, "{kind}");
        }
        assert_eq!(status_of(http::Request::builder(), body).await, 200, "none at all");
    }

    #[tokio::test]
    async fn a_body_over_the_bound_is_refused_announced_or_not() {
        let announced = http::Request::builder().header(header::CONTENT_LENGTH, MAX_BYTES + 1);
        assert_eq!(status_of(announced, "{}").await, 413);
        let mut body = br#"{"username":"a"}"#.to_vec();
        body.resize(MAX_BYTES, b' ');
        assert_eq!(status_of(http::Request::builder(), body.clone()).await, 200, "exactly the bound");
        body.push(b' ');
        assert_eq!(status_of(http::Request::builder(), body).await, 413, "one byte more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let silent = Body::from_stream(futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
        assert_eq!(status_of(http::Request::builder(), silent).await, 408);
    }
}
