//! One example of every frame. `docs/SOCKET.md` shows exactly these, and a
//! snapshot keeps them from changing unnoticed.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    idempotency::Answered,
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    ask::ClientFrame,
    close::CloseReason,
    command::{Report, Response},
    frame::{EventReminder, Resumed, ServerFrame, Success},
    wire::Block,
};
use crate::model::{
    Change, ChangeKind, EventView, InboxEntry, InboxKind, NotificationPayload, ReminderPayload, Role, frame,
};

const DOCUMENT: &str = include_str!("../../../docs/SOCKET.md");

fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x0196_0000_0000_7000_8000_0000_0000_0000 + n)
}

fn event() -> EventView {
    EventView {
        event_id: id(7),
        calendar_id: id(1),
        calendar_name: "Home".into(),
        event_name: "Dinner".into(),
        event_start: "2030-05-01T16:00:00Z".into(),
        event_end: "2030-05-01T18:00:00Z".into(),
        time_zone: "Europe/Berlin".into(),
        all_day: false,
        location: "Kitchen".into(),
        description: String::new(),
        participants: vec!["ann".into(), "bob".into()],
        reminders: vec![30],
        created_by: "ann".into(),
        etag: "r1".into(),
        created_at: "2030-04-01T08:00:00Z".into(),
        updated_at: "2030-04-01T08:00:00Z".into(),
        seq: 42,
    }
}

/// What a client may send; each must be understood.
const CLIENT: &[&str] = &[
    r#"{"type":"message","id":1,"calendar_name":"Home","message":"Dinner at six?"}"#,
    r#"{"type":"message","id":2,"message":"Hello, everybody"}"#,
    r#"{"type":"join_calendar","id":3,"calendar_name":"Home","calendar_password":"let me in","last_seq":40}"#,
    r#"{"type":"leave_calendar","id":4,"calendar_name":"Home"}"#,
    r#"{"type":"create_event","id":5,"calendar_name":"Home","event_name":"Dinner","event_start":"2030-05-01T18:00:00","event_end":"2030-05-01T20:00:00","time_zone":"Europe/Berlin","location":"Kitchen","participants":["bob"],"reminders":[30]}"#,
    r#"{"type":"update_event","id":6,"event_id":"01960000-0000-7000-8000-000000000007","etag":"r1","event_name":"Supper"}"#,
    r#"{"type":"delete_event","id":7,"event_id":"01960000-0000-7000-8000-000000000007","etag":"r2"}"#,
    r#"{"type":"command","id":12,"command":"getAllTimeZones"}"#,
    r#"{"type":"command","id":13,"command":"scheduleEvent","data":{"time":"2030-05-01 18:00","timeZone":"Europe/Berlin","eventName":"Tea","calendar_name":"Home"}}"#,
    r#"{"type":"resume","id":8,"calendars":{"Home":40,"Work":7}}"#,
    r#"{"type":"message","id":15,"calendar_name":"Home","message":"Dinner at six?","idempotency_key":"0197f2a0-dinner"}"#,
];

/// Every frame of our own but those of the log. A new variant of
/// [`ServerFrame`] or [`Success`] does not compile until it has a line here.
fn server() -> Vec<ServerFrame> {
    let (calendar_id, at) = (id(1), "2030-04-01T08:00:00Z".parse().unwrap());
    let ack = |n: i64, outcome| ServerFrame::answer(Some(n.into()), outcome).unwrap();
    let mut frames = vec![
        ServerFrame::connected("ann", id(9)),
        ack(1, Ok(Success::Kept { calendar_id, seq: 41, replayed: false })),
        ack(2, Ok(Success::Sent {})),
        ack(
            3,
            Ok(Success::Joined {
                calendar_id,
                calendar_name: "Home".into(),
                role: Role::Editor.as_str(),
                last_seq: 40,
            }),
        ),
        ack(4, Ok(Success::Left { calendar_id })),
        ack(5, Ok(Success::Event { event: Box::new(event()), replayed: false })),
        ack(7, Ok(Success::Deleted { event_id: id(7) })),
        ack(
            8,
            Ok(Success::Resumed {
                calendars: BTreeMap::from([
                    ("Home".to_owned(), Resumed::new(Ok((calendar_id, 42)))),
                    ("Work".to_owned(), Resumed::new(Err(Fault::of(Reason::NotAMember)))),
                ]),
            }),
        ),
        ack(9, Err(Fault::invalid("event_end", "is before the start"))),
        ack(10, Err(Fault::of(Reason::ParticipantUnknown).with_names(vec!["eve".to_owned()]))),
        ack(11, Err(Fault::of(Reason::RateLimited).with_retry_after(Duration::from_secs(12)))),
        ack(15, Ok(Success::Kept { calendar_id, seq: 41, replayed: true })),
        ack(12, Ok(command(Ok(Response::TimeZones(zones()))))),
        ack(13, Ok(command(Ok(Response::Scheduled(tea(false)))))),
        ack(14, Ok(command(Err(Fault::new(Reason::Invalid, "'eventName' is required"))))),
        ServerFrame::EventReminder(tea(false)),
        ServerFrame::EventReminder(tea(true)),
        ServerFrame::answer(None, Err(Fault::of(Reason::CalendarNotFound))).unwrap(),
        ServerFrame::Joined {
            calendar_id,
            calendar_name: "Home".into(),
            members_online: vec!["ann".into(), "bob".into()],
            last_seq: 40,
        },
        ServerFrame::Left { calendar_id, calendar_name: "Home".into() },
        ServerFrame::Resync { calendar_id, calendar_name: "Home".into(), last_seq: 20_412 },
        ServerFrame::Message { message: "Hello, everybody".into(), by: "ann".into(), at },
        ServerFrame::GoingAway { retry_after_ms: 2_731 },
    ];
    for (username, online, verb) in [("bob", true, "connected"), ("bob", false, "disconnected")] {
        frames.push(ServerFrame::Presence {
            calendar_id,
            calendar_name: "Home".into(),
            username: username.into(),
            online,
            message: format!("{username} has {verb}"),
            at,
        });
    }
    for frame in &frames {
        match frame {
            ServerFrame::Connected { .. }
            | ServerFrame::Presence { .. }
            | ServerFrame::Ack(_)
            | ServerFrame::Error(_)
            | ServerFrame::Joined { .. }
            | ServerFrame::Left { .. }
            | ServerFrame::Message { .. }
            | ServerFrame::Resync { .. }
            | ServerFrame::EventReminder(_)
            | ServerFrame::GoingAway { .. } => {}
        }
    }
    frames
}

fn command(outcome: Result<Response, Fault>) -> Success {
    Success::Command(Box::new(Report::new(outcome.map(Answered::first))))
}

/// Two of the six hundred.
fn zones() -> &'static [String] {
    static TWO: LazyLock<Vec<String>> =
        LazyLock::new(|| vec!["America/Toronto".to_owned(), "Europe/Berlin".to_owned()]);
    &TWO
}

fn tea(late: bool) -> EventReminder {
    EventReminder {
        name: "Tea".into(),
        time: "2030-05-01T16:00:00.000Z".into(),
        id: id(11).to_string(),
        late,
    }
}

/// Every kind of entry, as the inbox tells it.
fn inbox() -> Vec<String> {
    let reminder = |late| {
        let payload = ReminderPayload {
            name: "Dinner",
            time: "2030-05-01T16:00:00.000Z",
            id: &id(12).to_string(),
            event_id: id(7),
            calendar_name: "Home",
            minutes_before: 30,
            late,
        };
        serde_json::to_string(&payload).unwrap()
    };
    let notification = |device_id| {
        let payload = NotificationPayload {
            id: &id(13).to_string(),
            message: "Time to start your training!",
            device_id,
        };
        serde_json::to_string(&payload).unwrap()
    };
    let entries = [
        (InboxKind::Reminder, reminder(false)),
        (InboxKind::Reminder, reminder(true)),
        (InboxKind::Notification, notification("")),
        (InboxKind::Notification, notification("watch-1")),
    ];
    let frames = entries.into_iter().zip(3_i64..).map(|((kind, payload), seq)| {
        let at = "2030-04-01T08:00:00Z".parse().unwrap();
        InboxEntry { account_id: id(2), seq, kind, payload, at, seen: false }.frame()
    });
    frames.collect()
}

/// Every kind of change, as the room tells it.
fn log() -> Vec<String> {
    let deleted = format!(r#"{{"event_id":"{}"}}"#, id(7));
    let kinds = ChangeKind::ALL.into_iter().zip(41_i64..);
    let changes = kinds.map(|(kind, seq)| {
        let payload = match kind {
            ChangeKind::EventCreated | ChangeKind::EventUpdated => event().payload(),
            ChangeKind::EventDeleted => deleted.clone(),
            ChangeKind::MemberJoined => r#"{"username":"bob","role":"editor"}"#.to_owned(),
            ChangeKind::MemberLeft => r#"{"username":"bob"}"#.to_owned(),
            ChangeKind::RoleChanged => r#"{"username":"bob","role":"viewer"}"#.to_owned(),
            ChangeKind::Message => crate::message::payload("Dinner at six?").unwrap(),
            ChangeKind::SettingsChanged => {
                r##"{"calendar":{"calendar_name":"Home","time_zone":"Europe/Berlin","color":"#3366cc","default_reminders":[15]}}"##
                    .to_owned()
            }
            ChangeKind::CalendarDeleted => "{}".to_owned(),
        };
        let at = "2030-04-01T08:00:00Z".parse().unwrap();
        Change { calendar_id: id(1), seq, kind, by: "ann".into(), at, subject: None, payload: payload.into() }
    });
    changes.map(|change| frame(&change, "Home")).collect()
}

fn examples() -> Vec<String> {
    let client = CLIENT.iter().map(|text| (*text).to_owned());
    let server = server().iter().map(|frame| serde_json::to_string(frame).unwrap()).collect::<Vec<_>>();
    client.chain(server).chain(inbox()).chain(log()).collect()
}

/// The lines of the document's JSON blocks.
fn shown() -> Vec<&'static str> {
    let blocks = DOCUMENT.split("```json\n").skip(1);
    blocks.flat_map(|block| block.split("```").next().unwrap().lines()).collect()
}

#[test]
fn the_document_shows_every_frame_and_nothing_else() {
    let (mut examples, mut shown) = (examples(), shown());
    examples.sort();
    shown.sort_unstable();
    let missing: Vec<_> = examples.iter().filter(|line| !shown.contains(&line.as_str())).collect();
    let stale: Vec<_> =
        shown.iter().filter(|line| !examples.iter().any(|example| example == **line)).collect();
    assert!(missing.is_empty() && stale.is_empty(), "missing: {missing:#?}\nstale: {stale:#?}");
}

#[test]
fn every_example_of_a_client_is_understood() {
    for text in CLIENT {
        let frame = ClientFrame::parse(text).unwrap();
        assert!(frame.id.is_some() && frame.ask.is_ok(), "{text}: {frame:?}");
    }
}

#[test]
fn frames_do_not_change_unnoticed() {
    insta::assert_snapshot!(examples().join("\n"));
}

#[test]
fn socket_io_says_the_same_under_the_same_names() {
    let mut said = String::new();
    for text in log() {
        let block = Block::of(&serde_json::from_str::<Value>(&text).unwrap());
        let event = &block.events()[0];
        let mut keys: Vec<_> = event.payload.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        writeln!(said, "{} {}", event.name, keys.join(",")).unwrap();
    }
    insta::assert_snapshot!(said);
}

#[test]
fn close_codes_are_those_of_the_document() {
    let reasons = [
        CloseReason::SessionEnded,
        CloseReason::GoingAway,
        CloseReason::TooSlow,
        CloseReason::TooLarge,
        CloseReason::Binary,
        CloseReason::BadText,
        CloseReason::TooFast,
        CloseReason::Malformed,
        CloseReason::Silent,
        CloseReason::Protocol,
    ];
    for reason in reasons {
        assert!(reason.text().len() <= 123);
        let row = format!("| {} | `{}` |", reason.code(), reason.text());
        assert!(DOCUMENT.contains(&row), "no row {row}");
    }
}
