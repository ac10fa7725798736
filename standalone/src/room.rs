//! `shared-calendar room`: a calendar's room in a terminal.
//!
//! It joins over the WebSocket that every client uses and prints each frame as one line. A line typed is
//! a message; a line that begins with `{` goes out as the frame it is.

use std::fmt;
use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use futures::{SinkExt as _, StreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, stdin};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::{self, Message, protocol::CloseFrame};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Which room, on which server, as whom.
#[derive(Debug, clap::Args)]
pub struct RoomSettings {
    /// The address of the gateway.
    #[arg(long, env = "GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    pub gateway: SocketAddr,
    /// The token that logging in answered.
    #[arg(long, env = "TOKEN", hide_env_values = true)]
    pub token: SecretString,
    /// The calendar to join.
    #[arg(long)]
    pub calendar: String,
    /// Its password, for who is not a member yet.
    #[arg(long)]
    pub password: Option<SecretString>,
    /// Replays what happened after this `seq`; 0 replays everything.
    #[arg(long)]
    pub last_seq: Option<u64>,
}

impl RoomSettings {
    /// The frame that joins the room.
    fn join(&self) -> Value {
        let mut frame = json!({ "type": "join_calendar", "id": "join", "calendar_name": self.calendar });
        if let Some(password) = &self.password {
            frame["calendar_password"] = password.expose_secret().into();
        }
        if let Some(last_seq) = self.last_seq {
            frame["last_seq"] = last_seq.into();
        }
        frame
    }

    /// What a typed line says.
    fn frame(&self, line: &str) -> String {
        if line.starts_with('{') {
            return line.to_owned();
        }
        json!({ "type": "message", "calendar_name": self.calendar, "message": line }).to_string()
    }
}

/// Stays in the room until the server closes the connection, or does not let it in.
pub async fn enter(settings: &RoomSettings) -> anyhow::Result<()> {
    let mut socket = connect(settings).await?;
    socket.send(Message::text(settings.join().to_string())).await?;
    let mut lines = BufReader::new(stdin()).lines();
    let mut typing = true;
    loop {
        tokio::select! {
            frame = socket.next() => match frame.transpose()? {
                Some(Message::Text(text)) => {
                    print_line(&text);
                    if let Some(code) = refused(&text) {
                        bail!("cannot join {}: {code}", settings.calendar);
                    }
                }
                Some(Message::Close(reason)) => bail!("the server closed the connection: {}", Reason(reason)),
                Some(_) => {}
                None => bail!("the connection is gone"),
            },
            line = lines.next_line(), if typing => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => socket.send(Message::text(settings.frame(line.trim()))).await?,
                // Nothing more to say; there may be more to hear.
                None => typing = false,
            },
        }
    }
}

async fn connect(settings: &RoomSettings) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let gateway = settings.gateway;
    let stream = TcpStream::connect(gateway)
        .await
        .with_context(|| format!("nothing answers on {gateway}; is `make run` running?"))?;
    let mut request = format!("ws://{gateway}/ws").into_client_request()?;
    let bearer = format!("Bearer {}", settings.token.expose_secret());
    request.headers_mut().insert(AUTHORIZATION, bearer.parse().context("TOKEN is not a token")?);
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => {
            let body = answer.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            bail!("{gateway} answers {}: {body}", answer.status())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The code of the answer that refuses the join.
fn refused(frame: &str) -> Option<String> {
    let frame: Value = serde_json::from_str(frame).ok()?;
    let is_refusal = frame["type"] == "ack" && frame["id"] == "join" && frame["ok"] == false;
    is_refusal.then(|| frame["code"].as_str().unwrap_or_default().to_owned())
}

/// Frames are what this program is for: they go to stdout, one a line.
fn print_line(frame: &str) {
    println!("{frame}");
}

/// A close frame for people.
struct Reason(Option<CloseFrame>);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(frame) => write!(f, "{} {}", u16::from(frame.code), frame.reason),
            None => f.write_str("without saying why"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> RoomSettings {
        RoomSettings {
            gateway: ([127, 0, 0, 1], 8080).into(),
            token: "token".into(),
            calendar: "family".into(),
            password: None,
            last_seq: None,
        }
    }

    #[test]
    fn joining_sends_only_what_was_given() {
        let mut settings = settings();
        assert_eq!(
            settings.join(),
            json!({ "type": "join_calendar", "id": "join", "calendar_name": "family" })
        );
        settings.password = Some("dinner".into());
        settings.last_seq = Some(0);
        assert_eq!(settings.join()["calendar_password"], "dinner");
        assert_eq!(settings.join()["last_seq"], 0);
    }

    #[test]
    fn only_a_refused_join_ends_it() {
        let refusal = r#"{"type":"ack","id":"join","ok":false,"code":"wrong_password"}"#;
        assert_eq!(refused(refusal).as_deref(), Some("wrong_password"));
        for other in [
            r#"{"type":"ack","id":"join","ok":true}"#,
            r#"{"type":"ack","id":1,"ok":false,"code":"too_long"}"#,
            r#"{"type":"error","code":"too_long"}"#,
        ] {
            assert_eq!(refused(other), None, "{other}");
        }
    }

    #[test]
    fn a_line_is_a_message_and_an_object_is_a_frame() {
        let settings = settings();
        let frame: Value = serde_json::from_str(&settings.frame("say \"hi\"")).expect("JSON");
        assert_eq!(frame, json!({ "type": "message", "calendar_name": "family", "message": "say \"hi\"" }));
        assert_eq!(settings.frame("{\"type\":\"leave_calendar\"}"), "{\"type\":\"leave_calendar\"}");
    }
}
