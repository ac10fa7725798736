//! Messages in a room: checked, then committed in groups.
//!
//! A [`Writer`] belongs to one room. What is said while a commit is on its way
//! waits and then goes into the next one together: one statement, one round
//! trip and one lock for all of them. Order of acceptance is order in the log.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
    tokens::Identity,
};
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    model::{Change, ChangeKind},
    store::Store,
};

/// Characters of one message.
pub const MAX_CHARACTERS: usize = 4_000;
/// Messages in one statement.
const GROUP: usize = 256;
/// Messages that may wait in a room; more are refused as `unavailable`.
const WAITING: usize = 4_096;
/// From the start of a commit to the end of patience.
const COMMIT_WITHIN: Duration = Duration::from_millis(1_800);

/// Something said. `R` is told what became of it.
#[derive(Debug)]
pub struct Post<R> {
    /// Who.
    pub account_id: Uuid,
    /// Their username.
    pub username: Arc<str>,
    /// What: checked by [`payload`].
    pub payload: String,
    /// Of a message with an idempotency key.
    pub claim: Option<Claim>,
    /// Whoever waits for the outcome.
    pub receipt: R,
}

/// Where a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The room.
    pub calendar_id: Uuid,
    /// Its place in the room's log.
    pub seq: i64,
}

/// A group that has come to an end.
#[derive(Debug)]
pub struct Committed<R> {
    /// What is in the log now, in order.
    pub changes: Vec<Change>,
    /// What became of each post: its place, or why it is not kept.
    pub outcomes: Vec<(R, Result<Answered<Place>, Fault>)>,
}

/// Commits what is said in one room.
pub struct Writer<R> {
    store: Store,
    calendar_id: Uuid,
    waiting: VecDeque<Post<R>>,
    flight: Option<BoxFuture<'static, Committed<R>>>,
}

/// The payload of a message's change, `{"message":…}`. `invalid` when there is
/// nothing in it, `too_long` over 4,000 characters.
pub fn payload(message: &str) -> Result<String, Fault> {
    check(message)?;
    let mut payload = String::with_capacity(message.len() + 16);
    payload.push_str(r#"{"message":"#);
    payload.push_str(&serde_json::Value::from(message).to_string());
    payload.push('}');
    Ok(payload)
}

/// The claim of a message with an idempotency key, and its first answer, where
/// there is one. `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn claim(
    store: &Store,
    caller: &Identity,
    (calendar_name, message): (&str, &str),
    key: Option<&IdempotencyKey>,
) -> Result<(Option<Claim>, Option<Answered<Place>>), Fault> {
    let who = Who::Account(caller.account_id);
    let claim = store.idempotency().claim(who, "message", key, &(calendar_name, message)).await?;
    let first = store.idempotency().first(claim.as_ref()).await?;
    Ok((claim, first))
}

/// The rule for the text of a message, kept or not.
pub fn check(message: &str) -> Result<(), Fault> {
    // A character has at least one byte: short texts need no counting.
    if message.len() > MAX_CHARACTERS && message.chars().count() > MAX_CHARACTERS {
        return Err(Fault::of(Reason::TooLong).with_field("message", "must have at most 4,000 characters"));
    }
    if message.trim().is_empty() {
        return Err(Fault::invalid("message", "must not be empty"));
    }
    if message.contains('\0') {
        return Err(Fault::invalid("message", "must not contain the character U+0000"));
    }
    Ok(())
}

// === impl Writer ===

impl<R: Send + 'static> Writer<R> {
    /// A writer with nothing to do.
    pub const fn new(store: Store, calendar_id: Uuid) -> Self {
        Self { store, calendar_id, waiting: VecDeque::new(), flight: None }
    }

    /// Whether nothing waits and nothing is on its way.
    pub fn is_idle(&self) -> bool {
        !self.is_waiting() && !self.is_under_way()
    }

    /// Whether something waits to be sent off.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether a group is on its way.
    pub const fn is_under_way(&self) -> bool {
        self.flight.is_some()
    }

    /// Accepts a post; gives it back when too many wait already.
    pub fn submit(&mut self, post: Post<R>) -> Result<(), (R, Fault)> {
        if self.waiting.len() >= WAITING {
            return Err((post.receipt, Fault::unavailable("the room")));
        }
        self.waiting.push_back(post);
        Ok(())
    }

    /// Takes back what waits: it is not sent off any more.
    pub fn give_up(&mut self) -> impl Iterator<Item = R> {
        self.waiting.drain(..).map(|post| post.receipt)
    }

    /// Sends off what waits, unless a group is on its way already. A message with
    /// a key goes alone: its answer is kept in a transaction of its own.
    pub fn start(&mut self) {
        if self.flight.is_none() && !self.waiting.is_empty() {
            let alike = self.waiting.iter().take(GROUP).take_while(|post| post.claim.is_none()).count();
            let group = self.waiting.drain(..alike.max(1)).collect();
            if self.waiting.is_empty() {
                self.waiting.shrink_to(GROUP);
            }
            self.flight = Some(Box::pin(commit(self.store.clone(), self.calendar_id, group)));
        }
    }

    /// Waits for the group that is on its way; for ever when there is none.
    /// Dropping the wait loses nothing.
    pub async fn committed(&mut self) -> Committed<R> {
        let Some(flight) = &mut self.flight else { return std::future::pending().await };
        let committed = flight.await;
        self.flight = None;
        committed
    }
}

async fn commit<R>(store: Store, calendar_id: Uuid, mut group: Vec<Post<R>>) -> Committed<R> {
    if let Some(claim) = group.first_mut().and_then(|post| post.claim.take()) {
        return commit_once(store, calendar_id, group, &claim).await;
    }
    let senders: Vec<_> = group.iter().map(|post| post.account_id).collect();
    let mut texts = Vec::with_capacity(group.len());
    let mut posts = Vec::with_capacity(group.len());
    for Post { username, payload, receipt, .. } in group {
        texts.push(payload);
        posts.push((username, receipt));
    }
    let statement = store.append_messages(calendar_id, &senders, &texts);
    // The statement may still come to be after that, so the answer is "not
    // known", never "not done"; the log tells.
    let kept = match timeout(COMMIT_WITHIN, statement).await {
        Ok(Ok(kept)) => kept,
        Ok(Err(fault)) => return Committed::refused(posts, &fault),
        Err(_) => return Committed::refused(posts, &Fault::of(Reason::DeadlineExceeded)),
    };
    let mut places = kept.iter().peekable();
    let mut committed = Committed { changes: Vec::with_capacity(kept.len()), outcomes: Vec::new() };
    for (index, ((by, receipt), payload)) in posts.into_iter().zip(texts).enumerate() {
        let Some(place) = places.next_if(|place| place.index == index) else {
            committed.outcomes.push((receipt, Err(Fault::of(Reason::CalendarNotFound))));
            continue;
        };
        committed.outcomes.push((receipt, Ok(Answered::first(Place { calendar_id, seq: place.seq }))));
        committed.changes.push(Change {
            calendar_id,
            seq: place.seq,
            kind: ChangeKind::Message,
            by,
            at: place.at,
            subject: None,
            payload: payload.into(),
        });
    }
    committed
}

/// A group of one, with its claim. A refusal is not kept: the room waits for
/// nobody's, and who has joined meanwhile may say it after all.
async fn commit_once<R>(store: Store, calendar_id: Uuid, group: Vec<Post<R>>, claim: &Claim) -> Committed<R> {
    let mut committed = Committed { changes: Vec::new(), outcomes: Vec::new() };
    for Post { account_id, username, payload, receipt, .. } in group {
        let keep = keep_once(&store, calendar_id, (account_id, &username, &payload), claim);
        let kept = timeout(COMMIT_WITHIN, keep).await;
        let kept = kept.unwrap_or_else(|_| Err(Fault::of(Reason::DeadlineExceeded)));
        let outcome = kept.map(|(place, change)| {
            committed.changes.extend(change);
            place
        });
        committed.outcomes.push((receipt, outcome));
    }
    committed
}

/// Keeps a message, unless an earlier request with the same key did: then there
/// is nothing new to tell.
async fn keep_once(
    store: &Store,
    calendar_id: Uuid,
    (account_id, username, payload): (Uuid, &Arc<str>, &str),
    claim: &Claim,
) -> Result<(Answered<Place>, Option<Change>), Fault> {
    let mut tx = store.begin().await?;
    if let Some(first) = tx.enter_claim(claim).await? {
        return Ok((first, None));
    }
    let kept = tx.append_message(calendar_id, account_id, payload).await?;
    let kept = kept.ok_or_else(|| Fault::of(Reason::CalendarNotFound))?;
    let place = Place { calendar_id, seq: kept.seq };
    tx.keep_answer(claim, &place).await?;
    tx.commit().await?;
    let change = Change {
        calendar_id,
        seq: kept.seq,
        kind: ChangeKind::Message,
        by: Arc::clone(username),
        at: kept.at,
        subject: None,
        payload: payload.into(),
    };
    Ok((Answered::first(place), Some(change)))
}

// === impl Committed ===

impl<R> Committed<R> {
    fn refused(posts: Vec<(Arc<str>, R)>, fault: &Fault) -> Self {
        let outcomes = posts.into_iter().map(|(_, receipt)| (receipt, Err(fault.clone())));
        Self { changes: Vec::new(), outcomes: outcomes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_to_4000_characters() {
        assert!(payload(&"é".repeat(4_000)).is_ok());
        assert_eq!(payload(&"é".repeat(4_001)).unwrap_err().reason, Reason::TooLong);
        assert_eq!(payload(" \n").unwrap_err().reason, Reason::Invalid);
        assert_eq!(payload("a\0").unwrap_err().reason, Reason::Invalid);
        assert_eq!(payload("say \"hi\"\n").unwrap(), r#"{"message":"say \"hi\"\n"}"#);
    }
}
