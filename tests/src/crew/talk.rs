//! What the crew says in the room.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Hand;
use crate::{
    ledger::Outcome,
    socket::{End, Socket},
    wait::{Deadline, PATIENCE},
};

/// For an ack: as long as the edge has for an answer. Nobody is told that an instance has stopped, so who waits
/// longer says it again, with the same key, to whom they then are connected.
const ACK: Duration = Duration::from_secs(5);

// === impl Hand ===

impl Hand {
    /// Says one thing after another, each with its text as the key, and connects again when it must.
    pub(super) async fn talk(self) -> Result<()> {
        let mut socket = None;
        let mut n = 0;
        while let Some(id) = self.next(&mut n).await {
            let attempt = self.ledger.attempt(id)?;
            let text = attempt.id();
            let said = json!({ "calendar_name": self.calendar, "message": text, "idempotency_key": text });
            let deadline = Deadline::after(PATIENCE);
            while !self.say(&mut socket, &said).await {
                ensure!(deadline.look_again().await, "{}: nobody listens", self.name);
            }
            attempt.settle(Outcome::Ack);
            self.done();
        }
        Ok(())
    }

    /// Says it once; false when it must be said again.
    async fn say(&self, socket: &mut Option<Socket>, said: &Value) -> bool {
        let open = match socket {
            Some(open) => open,
            None => match self.connect().await {
                Ok(open) => socket.insert(open),
                Err(error) => {
                    self.failed(format!("{error:#}"));
                    return false;
                }
            },
        };
        match timeout(ACK, open.ask("message", said.clone())).await {
            Ok(Ok(ack)) if ack["ok"] == true => return true,
            Ok(Ok(ack)) if ack["code"] == "idempotency_in_flight" => {}
            Ok(Ok(ack)) => self.failed(ack),
            Ok(Err(error)) => {
                // What was under way at a goodbye is said again on the next socket: that is no failure.
                if open.end().await.ok() != Some(End::Closed(1012)) {
                    self.failed(format!("{error:#}"));
                }
                *socket = None;
            }
            Err(_) => {
                self.failed("no ack");
                *socket = None;
            }
        }
        false
    }

    async fn connect(&self) -> Result<Socket> {
        let socket = self.person().socket().await?;
        socket.must("join_calendar", json!({ "calendar_name": self.calendar })).await?;
        Ok(socket)
    }
}
