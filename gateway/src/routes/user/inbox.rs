//! `GET /user/inbox`, `POST /user/inbox/{seq}/seen`: what concerned the caller
//! alone.

use std::fmt::Write as _;

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{InboxEntry, ListInboxRequest, ListInboxResponse, MarkInboxSeenRequest};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;

use crate::{
    edge::{query::Query, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::InboxSeq,
        paging::{Limit, Seq},
    },
    state::App,
};

/// Which entries.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Those with a greater `seq`; all without it.
    #[param(value_type = Option<i64>, minimum = 0)]
    since: Seq,
    /// At most so many; 100 without one.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Limit<1000>,
}

/// A reminder or a notification.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is written by hand around the frame")]
struct Entry<'a> {
    /// Its place in the inbox of this account.
    #[schema(examples(7))]
    seq: i64,
    /// `reminder` or `notification`.
    #[schema(examples("reminder"))]
    kind: &'a str,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    at: &'a str,
    /// Whether it, or one after it, was marked.
    seen: bool,
    /// As the account's sockets got it.
    #[schema(value_type = Object, examples(json!({
        "type": "eventReminder", "name": "Dinner", "time": "2026-03-01T18:00:00.000Z",
        "_id": "019a9d2e-4444-7e70-a1f6-0123456789ab",
    })))]
    frame: &'a str,
}

/// A stretch of the inbox, in order of `seq`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "documents what is written by hand around the frames")]
struct Inbox<'a> {
    entries: Vec<Entry<'a>>,
    /// The `seq` of the newest entry: there is more when it is greater than that of the last one here.
    #[schema(examples(7))]
    last_seq: i64,
}

pub(in crate::routes) fn list_endpoint() -> Endpoint {
    Endpoint::new(routes!(list_inbox), "list_inbox", Audience::Callers, &[Reason::Invalid])
}

pub(in crate::routes) fn seen_endpoint() -> Endpoint {
    Endpoint::new(routes!(mark_inbox_seen), "mark_inbox_seen", Audience::Callers, &[Reason::NotFound])
}

/// List the inbox
///
/// Reminders and notifications of the caller's own, whether they were connected when it was time or not.
#[utoipa::path(
    get, path = "/user/inbox", tag = "Notifications",
    params(Since),
    responses((status = 200, description = "The entries after `since`, in order", body = Inbox)),
)]
async fn list_inbox(
    State(app): State<App>,
    caller: Caller,
    Query(Since { since: Seq(since), limit: Limit(limit) }): Query<Since>,
) -> Result<Response, Problem> {
    let message = ListInboxRequest { since, limit };
    let list = app.upstream.calendar().list_inbox(caller.request(message)).await?.into_inner();
    Ok(answer::raw_json(StatusCode::OK, written(&list)))
}

/// Mark the inbox as seen
///
/// This entry and all before it.
#[utoipa::path(
    post, path = "/user/inbox/{seq}/seen", tag = "Notifications",
    params(("seq" = i64, Path, minimum = 1)),
    responses((status = 204, description = "Marked")),
)]
async fn mark_inbox_seen(
    State(app): State<App>,
    caller: Caller,
    InboxSeq(seq): InboxSeq,
) -> Result<Response, Problem> {
    app.upstream.calendar().mark_inbox_seen(caller.request(MarkInboxSeenRequest { seq })).await?;
    Ok(answer::no_content())
}

/// The frames are JSON already: they are put in, not read again.
fn written(list: &ListInboxResponse) -> String {
    let length = list.entries.iter().map(|entry| entry.frame_json.len() + 128).sum::<usize>();
    let mut json = String::with_capacity(length + 64);
    json.push_str(r#"{"entries":["#);
    for (n, InboxEntry { seq, kind, frame_json, at, seen }) in list.entries.iter().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let (kind, at) = (Value::from(kind.as_str()), Value::from(at.as_str()));
        let entry = format_args!(
            r#"{comma}{{"seq":{seq},"kind":{kind},"at":{at},"seen":{seen},"frame":{frame_json}}}"#
        );
        let _ = json.write_fmt(entry);
    }
    let _ = write!(json, r#"],"last_seq":{}}}"#, list.last_seq);
    json
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(entries: Vec<InboxEntry>, last_seq: i64) -> Value {
        serde_json::from_str(&written(&ListInboxResponse { entries, last_seq })).expect("JSON")
    }

    #[test]
    fn frames_are_passed_on_as_they_are() {
        assert_eq!(read(Vec::new(), 0), json!({ "entries": [], "last_seq": 0 }));
        let entry = |seq, seen| InboxEntry {
            seq,
            kind: "notification".into(),
            frame_json: r#"{"type":"notification","message":"\"]}"}"#.into(),
            at: "2026-03-01T12:00:00Z".into(),
            seen,
        };
        let whole = |seq: i64, seen: bool| {
            json!({
                "seq": seq, "kind": "notification", "at": "2026-03-01T12:00:00Z", "seen": seen,
                "frame": { "type": "notification", "message": "\"]}" },
            })
        };
        assert_eq!(
            read(vec![entry(1, true), entry(2, false)], 9),
            json!({ "entries": [whole(1, true), whole(2, false)], "last_seq": 9 })
        );
    }
}
