//! A socket in a calendar's room.

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    person::{self, CALENDAR_PASSWORD},
    socket::Socket,
};

/// A connection that has joined.
#[derive(Debug)]
pub struct Room {
    /// The connection.
    pub socket: Socket,
    /// The ack of the join.
    pub ack: Value,
    /// The calendar's name.
    pub calendar: String,
}

// === impl Room ===

impl Room {
    /// Joins with the password that every calendar has.
    pub async fn join(socket: Socket, calendar: &str) -> Result<Self> {
        let payload = json!({ "calendar_name": calendar, "calendar_password": CALENDAR_PASSWORD });
        let ack = socket.must("join_calendar", payload).await?;
        socket.hears("joined").await?;
        Ok(Self { socket, ack, calendar: calendar.to_owned() })
    }

    /// Joins again with what was heard before the connection ended.
    pub async fn resume(socket: Socket, calendar: &str, last_seq: i64) -> Result<Self> {
        let ack = socket.must("resume", json!({ "calendars": { calendar: last_seq } })).await?;
        Ok(Self { socket, ack, calendar: calendar.to_owned() })
    }

    /// Says something and waits for the ack; answers its `seq`.
    pub async fn say(&self, text: &str) -> Result<i64> {
        let ack =
            self.socket.must("message", json!({ "calendar_name": self.calendar, "message": text })).await?;
        Ok(ack["seq"].as_i64().unwrap_or_default())
    }

    /// Creates an event and waits for the ack; answers the event.
    pub async fn create_event(&self, name: &str) -> Result<Value> {
        let ack = self.socket.must("create_event", person::event(&self.calendar, name)).await?;
        Ok(ack["event"].clone())
    }

    /// The room's frames so far: those with a `seq`.
    pub fn frames(&self) -> Vec<Value> {
        self.socket.heard(|heard| heard.frames.iter().filter(|frame| self.is_ours(frame)).cloned().collect())
    }

    /// The `seq` of each frame so far, in the order they were heard.
    pub fn seqs(&self) -> Vec<i64> {
        self.frames().iter().filter_map(|frame| frame["seq"].as_i64()).collect()
    }

    /// Waits for the frame with this `seq`.
    pub async fn reaches(&self, seq: i64) -> Result<Value> {
        self.socket.frame(&format!("seq {seq}"), |frame| self.is_ours(frame) && frame["seq"] == seq).await
    }

    fn is_ours(&self, frame: &Value) -> bool {
        seq_of(frame, &self.calendar).is_some()
    }
}

/// The place of a frame in the log of this calendar; `None` for all other frames.
pub fn seq_of(frame: &Value, calendar: &str) -> Option<i64> {
    let is_change = frame["type"] != "ack" && frame["calendar_name"] == calendar;
    frame["seq"].as_i64().filter(|_| is_change)
}
