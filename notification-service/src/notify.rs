//! Notifications: into an account's inbox, and to its webhook if it has one.

use std::time::Duration;

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
    tokens::Identity,
};
use uuid::Uuid;

use crate::{
    calendar::LANE,
    error::FieldErrors,
    handlers::{
        notification_inbox::{self, NOTIFICATION_INBOX},
        notification_webhook::{self, NOTIFICATION_WEBHOOK},
    },
    model::NewWork,
    service::Service,
    store::Due,
    webhook::Target,
};

/// Longest message, as in rooms.
const LONGEST_MESSAGE: usize = 4000;
/// Longest id and device id that a client makes.
const LONGEST_ID: usize = 255;

/// What an account shall hear.
#[derive(Clone, Debug, Default)]
pub struct NewNotification {
    /// What it says.
    pub message: String,
    /// The device that it is about; empty: none.
    pub device_id: String,
    /// Makes a repeat harmless, within the account; none: it is new.
    pub id: Option<String>,
}

/// A person notifies themselves, or somebody with whom they share a calendar.
/// Exactly one of `username` and the device is given. `invalid`, `too_long`, `not_found`.
pub async fn notify(
    service: &Service,
    who: &Identity,
    username: &str,
    new: NewNotification,
) -> Result<Uuid, Fault> {
    send(service, who, username, new, None).await.map(|told| told.answer)
}

/// The same, once for a key of the sender's. `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn notify_once(
    service: &Service,
    who: &Identity,
    username: &str,
    new: NewNotification,
    key: Option<&IdempotencyKey>,
) -> Result<Answered<Uuid>, Fault> {
    let idempotency = service.store.idempotency();
    let body = (username, &new.message, &new.device_id, &new.id);
    let claim = idempotency.claim(Who::Account(who.account_id), "notify", key, &body).await?;
    if let Some(first) = idempotency.first(claim.as_ref()).await? {
        return Ok(first);
    }
    let told = send(service, who, username, new, claim.as_ref()).await;
    idempotency.settle(claim.as_ref(), &told).await;
    told
}

async fn send(
    service: &Service,
    who: &Identity,
    username: &str,
    new: NewNotification,
    claim: Option<&Claim>,
) -> Result<Answered<Uuid>, Fault> {
    if username.is_empty() == new.device_id.is_empty() {
        return Err(Fault::invalid("username", "either this or deviceId is required, not both"));
    }
    check(&new)?;
    let is_self = username.is_empty() || username.to_lowercase() == who.username.to_lowercase();
    let account_id =
        if is_self { who.account_id } else { service.calendar.find_peer(who.account_id, username).await? };
    // Ids are the sender's: another sender's same id is another notification.
    let id = new.id.as_ref().map(|id| format!("{}:{id}", who.account_id));
    deliver(service, account_id, NewNotification { id, ..new }, claim).await
}

/// A service notifies an account. The id is required. `invalid`, `too_long`.
pub async fn notify_account(
    service: &Service,
    account_id: Uuid,
    new: NewNotification,
) -> Result<Uuid, Fault> {
    if new.id.is_none() {
        return Err(Fault::invalid("id", "is required"));
    }
    check(&new)?;
    deliver(service, account_id, new, None).await.map(|told| told.answer)
}

fn check(new: &NewNotification) -> Result<(), Fault> {
    if new.message.chars().count() > LONGEST_MESSAGE {
        return Err(Fault::of(Reason::TooLong)
            .with_field("message", format!("must have at most {LONGEST_MESSAGE} characters")));
    }
    let mut errors = FieldErrors::new();
    let forbidden = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if new.message.trim().is_empty() {
        errors.add("message", "is required");
    } else if new.message.contains(forbidden) {
        errors.add("message", "must not contain control characters");
    }
    for (field, text) in [("deviceId", Some(&new.device_id)), ("id", new.id.as_ref())] {
        let Some(text) = text else { continue };
        if text.chars().count() > LONGEST_ID || text.contains(char::is_control) {
            errors.add(field, format!("must have at most {LONGEST_ID} characters, no control characters"));
        }
    }
    errors.finish()
}

/// Both deliveries become due in one transaction, or were already.
async fn deliver(
    service: &Service,
    account_id: Uuid,
    new: NewNotification,
    claim: Option<&Claim>,
) -> Result<Answered<Uuid>, Fault> {
    let NewNotification { message, device_id, id } = new;
    let inbox = NewWork {
        work_id: Uuid::now_v7(),
        kind: NOTIFICATION_INBOX,
        account_id: Some(account_id),
        dedupe: id,
        payload: notification_inbox::Payload { message: message.clone(), device_id: device_id.clone() }
            .to_json(),
        lane: LANE.to_owned(),
    };
    let mut tx = service.store.begin().await?;
    if let Some(claim) = claim
        && let Some(first) = tx.enter_claim(claim).await?
    {
        return Ok(first);
    }
    let planned = tx.plan(&inbox, Due::In(Duration::ZERO)).await?;
    let planned = planned.ok_or_else(|| Fault::unavailable("the database"))?;
    if let Some(claim) = claim {
        tx.keep_answer(claim, &planned.work_id).await?;
    }
    if planned.repeated {
        tx.commit().await?;
        return Ok(Answered::first(planned.work_id));
    }
    // An address that the operator's list no longer lets through is left out.
    let target = tx.webhook_url(account_id).await?.and_then(|url| Target::parse(&url, &service.guard).ok());
    if let Some(target) = target {
        let payload = notification_webhook::Payload {
            notification_id: planned.work_id,
            url: target.as_str().to_owned(),
            message,
            device_id,
        };
        let webhook = NewWork {
            work_id: Uuid::now_v7(),
            kind: NOTIFICATION_WEBHOOK,
            account_id: Some(account_id),
            dedupe: None,
            payload: payload.to_json(),
            lane: target.lane(),
        };
        tx.plan(&webhook, Due::In(Duration::ZERO)).await?;
    }
    tx.commit().await?;
    service.alarm.set(planned.due_at);
    Ok(Answered::first(planned.work_id))
}
