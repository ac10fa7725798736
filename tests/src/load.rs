//! People who never stop: they create events over REST and talk over sockets, each attempt in the ledger.

use std::sync::Arc;

use anyhow::{Result, ensure};
use futures::future::join_all;
use serde_json::json;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    door::HANGING,
    ledger::{Ledger, Outcome},
    person::{Person, event},
    socket::Socket,
    wait::{Deadline, PATIENCE},
};

/// Whoever does not give the whole truth to the ledger: for tests that must see it turn red.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Honesty {
    /// Writes down what was answered.
    Honest,
    /// Takes every attempt for done the moment it is sent, as a server would that answers before it commits.
    Hasty,
}

/// Load until it is stopped.
#[derive(Debug)]
pub struct Load {
    stop: CancellationToken,
    workers: Vec<JoinHandle<Result<()>>>,
}

struct Worker {
    name: String,
    person: Person,
    calendar: String,
    ledger: Arc<Ledger>,
    honesty: Honesty,
    stop: CancellationToken,
}

// === impl Load ===

impl Load {
    /// For each person one who creates events and one who talks, in this calendar.
    pub fn start(people: &[Person], calendar: &str, ledger: &Arc<Ledger>, honesty: Honesty) -> Self {
        let stop = CancellationToken::new();
        let worker = |person: &Person, kind: &str| Worker {
            name: format!("{kind}-{}", person.name),
            person: person.clone(),
            calendar: calendar.to_owned(),
            ledger: Arc::clone(ledger),
            honesty,
            stop: stop.clone(),
        };
        let creators = people.iter().map(|person| tokio::spawn(worker(person, "event").create()));
        let talkers = people.iter().map(|person| tokio::spawn(worker(person, "message").talk()));
        let workers = creators.chain(talkers).collect();
        Self { stop, workers }
    }

    /// Lets everybody finish what they are at; fails when a worker failed or a request hung.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        for ended in join_all(self.workers).await {
            ended??;
        }
        Ok(())
    }
}

// === impl Worker ===

impl Worker {
    async fn create(self) -> Result<()> {
        let mut hanging = 0;
        for n in 0.. {
            if self.stop.is_cancelled() {
                break;
            }
            let attempt = self.ledger.attempt(format!("{}-{n}", self.name))?;
            let body = event(&self.calendar, attempt.id());
            let answer = self.person.post("/calendar/create_event", body).await;
            if let Err(error) = &answer {
                hanging += usize::from(
                    error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout),
                );
            }
            let status = answer.ok().map(|answer| answer.status);
            let outcome =
                if self.honesty == Honesty::Hasty { Outcome::Ack } else { Outcome::of_create(status) };
            attempt.settle(outcome);
            if status.is_none_or(|status| status >= 500) {
                self.wait_for_service().await;
            }
        }
        ensure!(hanging == 0, "{hanging} requests had no answer within {HANGING:?}");
        Ok(())
    }

    async fn talk(self) -> Result<()> {
        let mut socket: Option<Socket> = None;
        for n in 0.. {
            if self.stop.is_cancelled() {
                break;
            }
            let Some(open) = &socket else {
                socket = self.connect().await;
                Deadline::after(PATIENCE).look_again().await;
                continue;
            };
            let attempt = self.ledger.attempt(format!("{}-{n}", self.name))?;
            let payload = json!({ "calendar_name": self.calendar, "message": attempt.id() });
            let ack = timeout(HANGING, open.ask("message", payload)).await;
            let outcome = match (self.honesty, &ack) {
                (Honesty::Hasty, _) => Outcome::Ack,
                (_, Ok(Ok(ack))) if ack["ok"] == true => Outcome::Ack,
                (_, Ok(Ok(ack)))
                    if !["unavailable", "internal", "deadline_exceeded"]
                        .contains(&ack["code"].as_str().unwrap_or_default()) =>
                {
                    Outcome::Refused
                }
                _ => Outcome::Unknown,
            };
            attempt.settle(outcome);
            if ack.is_err() || ack.is_ok_and(|ack| ack.is_err()) {
                socket = None;
            } else {
                // A connection may say twenty things a second.
                self.pause().await;
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Option<Socket> {
        let socket = self.person.socket().await.ok()?;
        let joined = socket.ask("join_calendar", json!({ "calendar_name": self.calendar })).await.ok()?;
        (joined["ok"] == true).then_some(socket)
    }

    /// The pace of a client that keeps to the limits, not a wait for anything.
    async fn pause(&self) {
        let _ = timeout(std::time::Duration::from_millis(50), self.stop.cancelled()).await;
    }

    async fn wait_for_service(&self) {
        let deadline = Deadline::after(PATIENCE);
        while !self.stop.is_cancelled() {
            let up = self.person.get("/calendar/status").await.is_ok_and(|answer| answer.status == 200);
            if up || !deadline.look_again().await {
                break;
            }
        }
    }
}
