//! Nonsense: no server error, no undocumented answer, and the process goes on.

use std::process::Stdio;

use anyhow::{Result, ensure};
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use system_tests::{
    ledger::Ledger,
    peers,
    person::Person,
    socket::{End, Socket},
    stack::Stack,
};
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;

/// Frames that are sent in all.
const FRAMES: usize = 2_000;
/// What servers stumble over.
const ODD: [&str; 16] = [
    "",
    " ",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "null",
    "-1",
    "1e999",
    "9223372036854775808",
    "{}",
    "[]",
    "'; drop table events; --",
    "../../etc/passwd",
    "%00",
    "\u{1F468}\u{200D}\u{1F469}",
    "BEGIN:VCALENDAR",
];

/// A value of any kind, at most so deep.
fn value(random: &mut StdRng, depth: u32) -> Value {
    match random.random_range(0..if depth == 0 { 6 } else { 8 }) {
        0 => Value::Null,
        1 => random.random_bool(0.5).into(),
        2 => random.random::<i64>().into(),
        3 => random.random::<f64>().into(),
        4 => (*ODD.choose(random).unwrap_or(&"")).into(),
        5 => "x".repeat(random.random_range(0..300)).into(),
        6 => (0..random.random_range(0..4)).map(|_| value(random, depth - 1)).collect(),
        _ => json!({ *ODD.choose(random).unwrap_or(&""): value(random, depth - 1) }),
    }
}

/// A frame that is nearly one, or not at all.
fn frame(random: &mut StdRng) -> Message {
    const KINDS: [&str; 9] = [
        "message",
        "join_calendar",
        "leave_calendar",
        "create_event",
        "update_event",
        "delete_event",
        "resume",
        "command",
        "?",
    ];
    const FIELDS: [&str; 14] = [
        "id",
        "calendar_name",
        "calendar_password",
        "last_seq",
        "message",
        "event_id",
        "etag",
        "event_name",
        "event_start",
        "event_end",
        "time_zone",
        "participants",
        "reminders",
        "calendars",
    ];
    let mut payload = json!({ "type": KINDS.choose(random) });
    for field in FIELDS {
        if random.random_bool(0.5) {
            payload[field] = value(random, 2);
        }
    }
    if random.random_bool(0.3) {
        payload["calendar_name"] = "Family".into();
    }
    let mut text = payload.to_string();
    if random.random_bool(0.1) {
        let mut cut = random.random_range(0..text.len());
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        text.truncate(cut);
    }
    if random.random_bool(0.01) {
        let mut bytes = vec![0; 20];
        random.fill_bytes(&mut bytes);
        return Message::binary(bytes);
    }
    Message::text(text)
}

async fn open(ann: &Person) -> Result<Socket> {
    let socket = ann.socket().await?;
    socket.must("join_calendar", json!({ "calendar_name": "Family" })).await?;
    Ok(socket)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_hurt_nobody() -> Result<()> {
    let ledger = Ledger::open("malformed_frames")?;
    let mut random = StdRng::seed_from_u64(ledger.seed());
    let stack =
        Stack::builder().set("SOCKET_FRAMES", "10000").set("SOCKET_FRAME_BURST", "10000").start().await?;
    let ann = stack.person("ann").await?;
    let family = ann.create_calendar("Family").await?;
    let witness = ann.join("Family").await?;
    let mut socket = open(&ann).await?;
    let mut closed = 0;
    for _ in 0..FRAMES {
        let sent = socket.send_raw(frame(&mut random)).await;
        let ended = socket.heard(|heard| heard.end);
        if sent.is_err() || ended.is_some() {
            let end = socket.end().await?;
            // Sending into a connection that is being closed may cut it off.
            ensure!(matches!(end, End::Closed(1003 | 1007 | 1008) | End::Cut), "closed with {end:?}");
            closed += 1;
            // Leaving may have been asked for, and worked.
            ensure!(ann.get(&format!("/calendar/calendars/{family}")).await?.status < 500);
            socket = match open(&ann).await {
                Ok(socket) => socket,
                Err(_) => break,
            };
        }
        let internal =
            socket.heard(|heard| heard.frames.iter().find(|frame| frame["code"] == "internal").cloned());
        ensure!(internal.is_none(), "a frame was answered {internal:?}");
    }
    println!("{closed} connections were closed over it");
    ensure!(closed > 0, "nothing was closed: the frames were too good");
    ann.get("/calendar/calendars").await?.expect(200)?;
    drop(witness);
    Ok(())
}

/// A request as bytes, and the statuses that may answer it; none: the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_hurts_nobody() -> Result<()> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let stack = Stack::start().await?;
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let cases: [&[u8]; 12] = [
        b"\r\n\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /user/status HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /%zz%00/../.. HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /user/login HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /user/login HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /user/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nzz\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for case in cases {
        let mut stream = tokio::net::TcpStream::connect(stack.door().address()).await?;
        // The other side may hang up in the middle.
        let _ = stream.write_all(case).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(system_tests::door::HANGING, stream.read_to_end(&mut answer)).await?;
        let answer = String::from_utf8_lossy(&answer);
        let shown = String::from_utf8_lossy(&case[..case.len().min(60)]);
        ensure!(!answer.starts_with("HTTP/1.1 5"), "{shown}: {answer}");
        ensure!(stack.door().get("/user/status").await?.status == 200, "gone after {shown}");
    }
    Ok(())
}

/// Requests generated from the OpenAPI document by a tool that knows what breaks servers.
#[tokio::test(flavor = "multi_thread")]
async fn generated_requests_find_no_server_error() -> Result<()> {
    let stack = Stack::start().await?;
    let installed = peers::installed().await?;
    let ann = stack.person("ann").await?;
    ann.create_calendar("Family").await?;
    ann.create_event("Family", "Dinner").await?.expect(201)?;
    let ledger = Ledger::open("schemathesis")?;
    let report = Command::new(installed.join("venv/bin/schemathesis"))
        .arg("run")
        .arg(format!("http://{}/openapi.json", stack.door().address()))
        .args(["--header", &format!("Authorization: Bearer {}", ann.token)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "12"])
        // It would end its own session. One worker: with more, Python 3.11 trips over itself (ast.parse in threads).
        .args([
            "--workers",
            "1",
            "--exclude-path",
            "/user/logout",
            "--exclude-path",
            "/user/sessions/{session_id}",
        ])
        .args(["--continue-on-failure", "--no-color"])
        .args(["--seed", &(ledger.seed() >> 32).to_string()])
        .stdin(Stdio::null())
        .current_dir(&installed)
        .output()
        .await?;
    let text = String::from_utf8_lossy(&report.stdout);
    ensure!(report.status.success(), "schemathesis: {text}\n{}", String::from_utf8_lossy(&report.stderr));
    Ok(())
}
