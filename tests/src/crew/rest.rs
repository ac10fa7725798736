//! What the crew does over REST.

use std::future::Future;

use anyhow::{Context as _, Result, bail, ensure};
use reqwest::Method;
use serde_json::json;

use super::Hand;
use crate::{
    door::{Answer, HANGING},
    ledger::Outcome,
    person::event,
    wait::{Deadline, PATIENCE},
};

// === impl Hand ===

impl Hand {
    /// Reads one event again and again.
    pub(super) async fn read(self, event_id: String) -> Result<()> {
        let mut n = 0;
        while self.next(&mut n).await.is_some() {
            let answer = self.insist(|| async { self.person().event(&event_id).await }).await?;
            ensure!(answer.status == 200, "{}: {} {}", self.name, answer.status, answer.text);
            self.done();
        }
        Ok(())
    }

    /// Creates events, each with its name as the key.
    pub(super) async fn create(self) -> Result<()> {
        let mut n = 0;
        while let Some(id) = self.next(&mut n).await {
            let attempt = self.ledger.attempt(id)?;
            let body = event(&self.calendar, attempt.id());
            let ask = || async {
                let ask = self.person().call(Method::POST, "/calendar/create_event").json(&body);
                ask.header("idempotency-key", attempt.id()).send().await
            };
            let answer = self.insist(ask).await?;
            ensure!(answer.status == 201, "{}: {} {}", self.name, answer.status, answer.text);
            attempt.settle(Outcome::Ack);
            self.done();
        }
        Ok(())
    }

    /// Gives one event a new name again and again. There is no key for that: who has no answer looks what it came to.
    pub(super) async fn edit(self, event_id: String) -> Result<()> {
        let path = format!("/calendar/events/{event_id}");
        let read = || async { self.person().event(&event_id).await };
        let mut etag = etag(&self.insist(read).await?)?;
        let mut n = 0;
        while let Some(id) = self.next(&mut n).await {
            let attempt = self.ledger.attempt(id)?;
            let name = json!({ "event_name": attempt.id() });
            let deadline = Deadline::after(PATIENCE);
            let now = loop {
                let ask = self.person().call(Method::PATCH, &path).header("if-match", &etag).json(&name);
                match ask.send().await {
                    Ok(answer) if answer.status == 200 => break answer,
                    Ok(answer) => self.failed(format!("{} {}", answer.status, answer.text)),
                    Err(error) => self.failed(format!("{error:#}")),
                }
                let now = self.insist(read).await?;
                if now["event_name"] == attempt.id() {
                    break now;
                }
                etag = self::etag(&now)?;
                ensure!(deadline.look_again().await, "{}: no good answer", self.name);
            };
            etag = self::etag(&now)?;
            attempt.settle(Outcome::Ack);
            self.done();
        }
        Ok(())
    }

    /// Asks until there is a definite answer.
    async fn insist<F>(&self, ask: impl Fn() -> F) -> Result<Answer>
    where
        F: Future<Output = Result<Answer>>,
    {
        let deadline = Deadline::after(PATIENCE);
        loop {
            match ask().await {
                // The first request is still being answered, or undone: it has failed for us already.
                Ok(answer) if answer.code() == "idempotency_in_flight" => {}
                Ok(answer) if answer.status < 500 => return Ok(answer),
                Ok(answer) => self.failed(format!("{} {}", answer.status, answer.text)),
                Err(error) => {
                    let hangs =
                        error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
                    ensure!(!hangs, "{}: no answer within {HANGING:?}", self.name);
                    self.failed(format!("{error:#}"));
                }
            }
            if !deadline.look_again().await {
                bail!("{}: no definite answer within {PATIENCE:?}", self.name);
            }
        }
    }
}

fn etag(answer: &Answer) -> Result<String> {
    Ok(answer.header("etag").context("no etag")?.to_owned())
}
