//! Somebody with an account: what a logged-in client does over REST.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    door::{Answer, Call, Door},
    room::Room,
    socket::Socket,
};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";
/// Every calendar's password.
pub const CALENDAR_PASSWORD: &str = "sunday roast";

/// An account with a live token.
#[derive(Clone, Debug)]
pub struct Person {
    /// The username.
    pub name: String,
    /// The token of the latest login.
    pub token: String,
    door: Door,
}

// === impl Person ===

impl Person {
    /// Registers an account and logs in.
    pub async fn register_and_login(door: &Door, username: &str) -> Result<Self> {
        let account = json!({ "username": username, "password": PASSWORD });
        door.post("/user/register", account).await?.expect(201)?;
        Self::login(door, username).await
    }

    /// Logs in to an account that exists.
    pub async fn login(door: &Door, username: &str) -> Result<Self> {
        let credentials = json!({ "username": username, "password": PASSWORD });
        let session = door.post("/user/login", credentials).await?.expect(200)?;
        Ok(Self { name: username.to_owned(), token: session.text_at("/token")?, door: door.clone() })
    }

    /// The same person and token at another door.
    pub fn at(&self, door: &Door) -> Self {
        Self { door: door.clone(), ..self.clone() }
    }

    /// Where this person goes in.
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// A request with the token.
    pub fn call(&self, method: Method, path: &str) -> Call {
        self.door.call(method, path).bearer(&self.token)
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.call(Method::GET, path).send().await
    }

    /// `POST`.
    pub async fn post(&self, path: &str, body: Value) -> Result<Answer> {
        self.call(Method::POST, path).json(&body).send().await
    }

    /// `PATCH`.
    pub async fn patch(&self, path: &str, body: Value) -> Result<Answer> {
        self.call(Method::PATCH, path).json(&body).send().await
    }

    /// `DELETE`.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.call(Method::DELETE, path).send().await
    }

    /// Ends the session.
    pub async fn logout(&self) -> Result<Answer> {
        self.call(Method::POST, "/user/logout").send().await
    }

    /// A new calendar; answers its id.
    pub async fn create_calendar(&self, name: &str) -> Result<String> {
        let calendar = json!({ "calendar_name": name, "calendar_password": CALENDAR_PASSWORD });
        self.post("/calendar/create_calendar", calendar).await?.expect(201)?.text_at("/calendar/calendar_id")
    }

    /// Asks for a new event; whatever the answer.
    pub async fn create_event(&self, calendar: &str, name: &str) -> Result<Answer> {
        self.post("/calendar/create_event", event(calendar, name)).await
    }

    /// One event.
    pub async fn event(&self, event_id: &str) -> Result<Answer> {
        self.get(&format!("/calendar/events/{event_id}")).await
    }

    /// Changes an event, whatever its revision.
    pub async fn update_event(&self, event_id: &str, fields: Value) -> Result<Answer> {
        let path = format!("/calendar/events/{event_id}");
        self.call(Method::PATCH, &path).header("if-match", "*").json(&fields).send().await
    }

    /// Deletes an event, whatever its revision.
    pub async fn delete_event(&self, event_id: &str) -> Result<Answer> {
        let path = format!("/calendar/events/{event_id}");
        self.call(Method::DELETE, &path).header("if-match", "*").send().await
    }

    /// Every change of a calendar, from the first.
    pub async fn changes(&self, calendar_id: &str) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        loop {
            let since = all.last().map_or(0, |change: &Value| change["seq"].as_i64().unwrap_or_default());
            let path = format!("/calendar/calendars/{calendar_id}/changes?since={since}&limit=1000");
            let page = self.get(&path).await?.expect(200)?;
            match page["changes"].as_array() {
                Some(changes) if !changes.is_empty() => all.extend(changes.iter().cloned()),
                _ => return Ok(all),
            }
        }
    }

    /// A WebSocket with the token in the header.
    pub async fn socket(&self) -> Result<Socket> {
        Socket::open(&self.door, "/ws", &[("authorization", &format!("Bearer {}", self.token))])
            .await?
            .upgraded()
    }

    /// A WebSocket of its own that has joined the calendar.
    pub async fn join(&self, calendar: &str) -> Result<Room> {
        Room::join(self.socket().await?, calendar).await
    }
}

/// An event of an hour, as sent.
pub fn event(calendar: &str, name: &str) -> Value {
    json!({
        "calendar_name": calendar,
        "event_name": name,
        "event_start": "2030-05-01T19:00:00Z",
        "event_end": "2030-05-01T20:00:00Z",
    })
}
