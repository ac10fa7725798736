//! One event, or a batch of them: cut apart here, read where they are kept.

use axum::extract::{FromRequest, Request};
use chassis::fault::Fault;
use serde_json::value::RawValue;

use crate::{
    edge::body::{arrive, is_json, media_type},
    problem::Problem,
};

/// The media types of one JSON value a line.
const LINES: [&str; 3] = ["application/x-ndjson", "application/ndjson", "application/jsonl"];
/// Events of one request.
pub(super) const MOST: usize = 1000;

/// What a request brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Events {
    /// A JSON object.
    One(String),
    /// A JSON array, or lines.
    Batch(Vec<String>),
}

// === impl Events ===

impl<S: Send + Sync> FromRequest<S> for Events {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let lines = media_type(request.headers()).is_some_and(|kind| LINES.contains(&kind.as_str()));
        if !lines && !is_json(request.headers()) {
            return Err(Problem::unsupported_media_type());
        }
        let body = arrive(request).await?;
        let text = std::str::from_utf8(&body).map_err(|_| Fault::invalid("body", "must be UTF-8"))?;
        let events = if lines { Self::of_lines(text) } else { Self::of_json(text) };
        Ok(events?)
    }
}

impl Events {
    fn of_lines(text: &str) -> Result<Self, Fault> {
        // Empty ones count nothing: most files end with one.
        let lines = text.split('\n').map(str::trim).filter(|line| !line.is_empty());
        Self::batch(lines.map(str::to_owned).collect())
    }

    fn of_json(text: &str) -> Result<Self, Fault> {
        let text = text.trim_ascii();
        if !text.starts_with('[') {
            return Ok(Self::One(text.to_owned()));
        }
        let array: Vec<&RawValue> = serde_json::from_str(text)
            .map_err(|_| Fault::invalid("body", "must be JSON: an object or an array"))?;
        Self::batch(array.into_iter().map(|event| event.get().to_owned()).collect())
    }

    fn batch(events: Vec<String>) -> Result<Self, Fault> {
        if (1..=MOST).contains(&events.len()) {
            Ok(Self::Batch(events))
        } else {
            Err(Fault::invalid("body", "must hold 1 to 1,000 events"))
        }
    }

    /// Whether it is a batch, and its events.
    pub(super) fn into_list(self) -> (bool, Vec<String>) {
        match self {
            Self::One(event) => (false, vec![event]),
            Self::Batch(events) => (true, events),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(kind: &str, body: impl Into<Body>) -> Result<Events, u16> {
        let request = Request::post("/").header("content-type", kind).body(body.into()).unwrap();
        Events::from_request(request, &()).await.map_err(|problem| problem.status().as_u16())
    }

    fn batch(events: &[&str]) -> Events {
        Events::Batch(events.iter().map(|event| (*event).to_owned()).collect())
    }

    #[tokio::test]
    async fn objects_arrays_and_lines_are_cut_into_events_as_they_are() {
        let json = "application/json";
        assert_eq!(read(json, " {\"a\": 1} ").await, Ok(Events::One("{\"a\": 1}".to_owned())));
        assert_eq!(read(json, "[{\"a\": [1]}, 5 ,\"[\"]").await, Ok(batch(&["{\"a\": [1]}", "5", "\"[\""])));
        let lines = "{\"a\":\"b\\n\"}\r\n\n  {x\n[1,2]";
        assert_eq!(
            read("application/x-ndjson; charset=utf-8", lines).await,
            Ok(batch(&["{\"a\":\"b\\n\"}", "{x", "[1,2]"]))
        );
        // What is no JSON at all goes on as one event, to be refused in its place.
        assert_eq!(read(json, "x").await, Ok(Events::One("x".to_owned())));
    }

    #[tokio::test]
    async fn what_holds_no_events_or_too_many_is_refused() {
        for (kind, body, status) in [
            ("application/json", "[]", 400),
            ("application/json", "[{}", 400),
            ("application/json", "[{}] x", 400),
            ("application/x-ndjson", "\n \n", 400),
            ("text/plain", "{}", 415),
        ] {
            assert_eq!(read(kind, body).await, Err(status), "{body}");
        }
        assert_eq!(read("application/json", vec![0xff]).await, Err(400));
        assert_eq!(read("application/x-ndjson", "{}\n".repeat(MOST + 1)).await, Err(400));
        assert!(read("application/x-ndjson", "{}\n".repeat(MOST)).await.is_ok());
    }
}
