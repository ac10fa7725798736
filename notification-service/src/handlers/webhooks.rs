//! A signed POST, as every kind that goes to a webhook makes it.

use std::time::Duration;

use bytes::Bytes;
use chassis::fault::Fault;
use jiff::Timestamp;
use moka::future::Cache;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    model::{Outcome, SigningSecrets, Work},
    patience::in_time,
    store::Store,
    webhook::{Client, Message, Target},
};

/// A rotation elsewhere is heard of after this; both secrets sign for a day.
const SECRETS_FRESH: Duration = Duration::from_secs(2);
/// Accounts whose secrets are at hand.
const SECRETS: u64 = 10_000;
/// The status by which a receiver says that it never wants to hear of it again.
const GONE: u16 = 410;

/// Posts in the name of accounts; clones share the connections.
#[derive(Clone)]
pub(crate) struct Webhooks {
    store: Store,
    client: Client,
    secrets: Cache<Uuid, SigningSecrets>,
}

/// The body of every webhook (Standard Webhooks).
#[derive(Serialize)]
struct Body<'a, T> {
    id: Uuid,
    r#type: &'a str,
    timestamp: Timestamp,
    data: T,
}

// === impl Webhooks ===

impl Webhooks {
    /// Secrets from this store, requests by this client.
    pub(super) fn new(store: Store, client: Client) -> Self {
        let secrets = Cache::builder().max_capacity(SECRETS).time_to_live(SECRETS_FRESH).build();
        Self { store, client, secrets }
    }

    /// The address, as it is written in a payload: it was parsed before, but
    /// what the guard lets through may have changed since.
    pub(super) fn target(&self, url: &str) -> Result<Target, Outcome> {
        Target::parse(url, self.client.guard()).map_err(|why| again(0, format!("the address {why}")))
    }

    /// Posts `data` under `id`. 2xx ends it, 410 ends it as failed, everything
    /// else comes again.
    pub(super) async fn post(
        &self,
        work: &Work,
        id: Uuid,
        target: &Target,
        kind: &str,
        data: impl Serialize,
    ) -> Outcome {
        let secrets = match self.secrets(work.account_id).await {
            Ok(secrets) => secrets,
            Err(fault) => return again(0, fault.detail),
        };
        let timestamp = Timestamp::from_microsecond(work.now().as_microsecond()).unwrap_or(work.claimed_at);
        let body = Body { id, r#type: kind, timestamp, data };
        let body = match serde_json::to_vec(&body) {
            Ok(body) => Bytes::from(body),
            Err(error) => return again(0, Fault::internal(&error).detail),
        };
        let message = Message { id, timestamp: timestamp.as_second(), body, secrets: secrets.as_ref() };
        match self.client.post(target, &message).await {
            Ok(status @ 200..=299) => Outcome::Done { status },
            Ok(GONE) => Outcome::Refused { status: GONE, why: "the receiver says: gone".to_owned() },
            Ok(status) => again(status, format!("the receiver answers {status}")),
            Err(failure) => again(0, failure.to_string()),
        }
    }

    /// Nobody signs what belongs to nobody: no receiver could know the secret.
    async fn secrets(&self, account_id: Option<Uuid>) -> Result<Option<SigningSecrets>, Fault> {
        let Some(account_id) = account_id else { return Ok(None) };
        let asked = self.secrets.try_get_with(account_id, in_time(self.store.signing_secrets(account_id)));
        asked.await.map(Some).map_err(|fault| Fault::clone(&fault))
    }
}

fn again(status: u16, why: String) -> Outcome {
    Outcome::Again { status, why }
}
