//! `shared-calendar room`: one member of one room, on a terminal.
//!
//! Prints every frame it receives, a line each. A line typed is a message to
//! the calendar, or, when it starts with `{`, a frame sent as it stands. For
//! trying things out and for scripts; `docs/SOCKET.md` lists the frames.

use std::io;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::HeaderValue},
};

/// Where to connect and what to join.
#[derive(Debug, clap::Args)]
pub struct RoomArgs {
    /// The gateway's WebSocket.
    #[arg(long, default_value = "ws://127.0.0.1:8080/ws")]
    url: String,
    /// An access token, as login answers it.
    #[arg(long, env = "TOKEN", hide_env_values = true)]
    token: String,
    /// The calendar to join.
    #[arg(long)]
    calendar: String,
    /// The calendar's password; only needed to become a member.
    #[arg(long)]
    password: Option<String>,
    /// Replay what came after this `seq`.
    #[arg(long)]
    last_seq: Option<i64>,
}

/// Why the terminal member had to leave.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// The token has characters that no header may have.
    #[error("the token is not a header value")]
    Token(#[from] tungstenite::http::header::InvalidHeaderValue),
    /// Connecting, the upgrade, or the connection failed.
    #[error("the room's connection failed")]
    Socket(#[from] tungstenite::Error),
    /// The terminal is gone.
    #[error("read the terminal")]
    Terminal(#[from] io::Error),
}

/// Joins, then copies both ways until either side ends.
pub async fn run(args: RoomArgs) -> Result<(), RoomError> {
    let mut request = args.url.as_str().into_client_request()?;
    request.headers_mut().insert("authorization", HeaderValue::from_str(&format!("Bearer {}", args.token))?);
    let (mut socket, _) = connect_async(request).await?;
    socket.send(Message::text(join(&args).to_string())).await?;

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typing = true;
    loop {
        tokio::select! {
            frame = socket.next() => match frame {
                Some(Ok(Message::Text(text))) => println!("{text}"),
                Some(Ok(Message::Close(reason))) => {
                    println!("closed: {}", reason.map_or_else(String::new, |r| format!("{} {}", r.code, r.reason)));
                    return Ok(());
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(()),
            },
            line = lines.next_line(), if typing => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => socket.send(Message::text(outgoing(&line, &args.calendar))).await?,
                // Input from a script ends; the listening goes on.
                None => typing = false,
            },
        }
    }
}

fn join(args: &RoomArgs) -> serde_json::Value {
    let mut frame = json!({ "type": "join_calendar", "id": 0, "calendar_name": args.calendar });
    if let Some(password) = &args.password {
        frame["calendar_password"] = json!(password);
    }
    if let Some(seq) = args.last_seq {
        frame["last_seq"] = json!(seq);
    }
    frame
}

fn outgoing(line: &str, calendar: &str) -> String {
    if line.trim_start().starts_with('{') {
        line.to_owned()
    } else {
        json!({ "type": "message", "calendar_name": calendar, "message": line }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::outgoing;

    #[test]
    fn a_plain_line_is_a_message_and_a_frame_is_sent_as_it_stands() {
        let frame = r#"{"type":"leave_calendar","calendar_name":"family"}"#;
        assert_eq!(outgoing(frame, "family"), frame);
        let sent: serde_json::Value = serde_json::from_str(&outgoing("hello \"all\"", "family")).unwrap();
        assert_eq!(sent["message"], "hello \"all\"");
        assert_eq!(sent["calendar_name"], "family");
    }
}
