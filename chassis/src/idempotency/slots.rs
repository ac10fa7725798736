//! Tables `idempotency` and `idempotency_secret`. They are the same in every
//! service's database, so their statements are constants here rather than
//! checked macros in each; the tests of every service run them.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, PgExecutor};
use subtle::ConstantTimeEq as _;
use tokio::{sync::OnceCell, time::timeout};
use uuid::Uuid;

use super::{Answered, Claim, IdempotencyKey, Refusal, Who, is_definite};
use crate::{
    fault::{Fault, Reason},
    postgres::{Pool, ensure_rows},
};

/// To keep a refusal; without it a repeat is tried anew, which is as true.
const KEEP_WITHIN: Duration = Duration::from_millis(300);

const SECRET: &str = "select secret from idempotency_secret";
const LOCK: &str = "select pg_try_advisory_xact_lock($1)";
const LOOK: &str = "select body, answer, refusal from idempotency where slot = $1 and expires_at > app_now()";
/// A slot that has expired is free, swept or not.
const PUT: &str = "
    insert into idempotency as kept (slot, route, body, run_id, answer, refusal, expires_at)
    values ($1, $2, $3, $4, $5, $6, app_now() + interval '24 hours')
    on conflict (slot) do update set
        body = excluded.body, run_id = excluded.run_id, answer = excluded.answer, refusal = excluded.refusal,
        expires_at = excluded.expires_at
    where kept.expires_at <= app_now()";
const END: &str = "
    update idempotency set run_id = null, answer = $3, expires_at = app_now() + interval '24 hours'
    where slot = $1 and run_id = $2";
const SWEEP: &str = "
    delete from idempotency where slot in (
        select slot from idempotency where expires_at <= (select app_now())
        order by expires_at limit $1 for update skip locked)";

/// The first answers of one service. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Idempotency {
    pool: Pool,
    service: &'static str,
    secret: Arc<OnceCell<hmac::Key>>,
}

/// What is known of a slot; neither answer nor refusal: in flight.
#[derive(sqlx::FromRow)]
struct Kept {
    body: Vec<u8>,
    answer: Option<String>,
    refusal: Option<String>,
}

/// What becomes of a slot.
#[derive(Default)]
struct Content {
    run_id: Option<Uuid>,
    answer: Option<String>,
    refusal: Option<String>,
}

// === impl Idempotency ===

impl Idempotency {
    /// The answers in the database behind `pool`; `service` labels the metrics.
    pub fn new(pool: Pool, service: &'static str) -> Self {
        Self { pool, service, secret: Arc::default() }
    }

    /// A claim, where the client gave a key. `body` is all that the answer
    /// depends on, in an order of its own.
    pub async fn claim(
        &self,
        who: Who<'_>,
        route: &'static str,
        key: Option<&IdempotencyKey>,
        body: &impl Serialize,
    ) -> Result<Option<Claim>, Fault> {
        let Some(key) = key else { return Ok(None) };
        Claim::new((self.secret().await?, self.service), who, route, key, body).map(Some)
    }

    /// The first answer, where there is one: to be asked before anything that
    /// costs. `idempotency_mismatch`, `idempotency_in_flight`, or the first refusal.
    pub async fn first<T: DeserializeOwned>(
        &self,
        claim: Option<&Claim>,
    ) -> Result<Option<Answered<T>>, Fault> {
        match claim {
            Some(claim) => look(&self.pool, claim).await,
            None => Ok(None),
        }
    }

    /// Keeps the outcome if it is a definite refusal. It changed nothing, so it
    /// is written by itself; never over an answer that another request got.
    pub async fn settle<T>(&self, claim: Option<&Claim>, outcome: &Result<T, Fault>) {
        let (Some(claim), Err(fault)) = (claim, outcome) else { return };
        if !is_definite(fault) {
            return;
        }
        let refusal = serde_json::to_string(&Refusal::from(fault)).ok();
        let put = put(&self.pool, claim, Content { refusal, ..Content::default() });
        match timeout(KEEP_WITHIN, put).await {
            Ok(Ok(_)) => claim.count("refused"),
            Ok(Err(fault)) => tracing::warn!(error = %fault, "cannot keep a refusal"),
            Err(_) => tracing::warn!("cannot keep a refusal in time"),
        }
    }

    /// Removes answers that have expired; how many there were, at most `limit`.
    pub async fn sweep(&self, limit: i64) -> Result<u64, Fault> {
        Ok(sqlx::query(SWEEP).bind(limit).execute(&self.pool).await?.rows_affected())
    }

    /// Made with the table, never changed.
    async fn secret(&self) -> Result<&hmac::Key, Fault> {
        let read = || async {
            let secret: Vec<u8> = sqlx::query_scalar(SECRET).fetch_one(&self.pool).await?;
            Ok::<_, Fault>(hmac::Key::new(hmac::HMAC_SHA256, &secret))
        };
        self.secret.get_or_try_init(read).await
    }
}

// === impl Claim ===

impl Claim {
    /// Enters the claim for the rest of the transaction, before its first write;
    /// the first answer, where there is one by now. `idempotency_in_flight` while
    /// somebody else is in, `idempotency_mismatch`, or the first refusal.
    pub async fn enter<T: DeserializeOwned>(
        &self,
        transaction: &mut PgConnection,
    ) -> Result<Option<Answered<T>>, Fault> {
        let alone: bool = sqlx::query_scalar(LOCK).bind(self.lock()).fetch_one(&mut *transaction).await?;
        if !alone {
            return Err(self.in_flight());
        }
        // A statement of its own: it sees what the last holder of the lock committed.
        look(transaction, self).await
    }

    /// Keeps the answer, in the transaction that makes it true.
    pub async fn keep(&self, transaction: &mut PgConnection, answer: &impl Serialize) -> Result<(), Fault> {
        let answer = Some(json(answer)?);
        self.put_in(transaction, Content { answer, ..Content::default() }).await
    }

    /// A durable run will answer. Whoever gives the run up removes the row with
    /// this `run_id` in the same statement: then the request may be tried again.
    pub async fn begin(&self, transaction: &mut PgConnection, run_id: Uuid) -> Result<(), Fault> {
        self.put_in(transaction, Content { run_id: Some(run_id), ..Content::default() }).await
    }

    /// The run's answer, in the transaction that makes it true.
    pub async fn end(
        &self,
        transaction: &mut PgConnection,
        run_id: Uuid,
        answer: &impl Serialize,
    ) -> Result<(), Fault> {
        let end = sqlx::query(END).bind(&self.slot[..]).bind(run_id).bind(json(answer)?);
        ensure_rows(&end.execute(transaction).await?, 1)?;
        self.count("first");
        Ok(())
    }

    async fn put_in(&self, transaction: &mut PgConnection, content: Content) -> Result<(), Fault> {
        let is_answer = content.answer.is_some();
        // A refusal is written outside of the lock, and may have come first.
        if !put(transaction, self, content).await? {
            return Err(self.in_flight());
        }
        if is_answer {
            self.count("first");
        }
        Ok(())
    }

    fn in_flight(&self) -> Fault {
        self.count("in_flight");
        Fault::of(Reason::IdempotencyInFlight)
    }

    fn count(&self, outcome: &'static str) {
        let labels = [("service", self.service), ("route", self.route), ("outcome", outcome)];
        metrics::counter!("idempotency_requests_total", &labels).increment(1);
    }
}

/// What is kept in the claim's slot, if it is the same request's.
async fn look<T: DeserializeOwned>(
    executor: impl PgExecutor<'_>,
    claim: &Claim,
) -> Result<Option<Answered<T>>, Fault> {
    let kept: Option<Kept> = sqlx::query_as(LOOK).bind(&claim.slot[..]).fetch_optional(executor).await?;
    let Some(kept) = kept else { return Ok(None) };
    if !bool::from(kept.body.ct_eq(&claim.body)) {
        claim.count("mismatch");
        return Err(Fault::of(Reason::IdempotencyMismatch));
    }
    let broken = |error: serde_json::Error| Fault::internal(&error);
    if let Some(answer) = kept.answer {
        claim.count("replayed");
        return serde_json::from_str(&answer).map(Answered::again).map(Some).map_err(broken);
    }
    match kept.refusal {
        Some(refusal) => {
            claim.count("replayed");
            Err(serde_json::from_str::<Refusal>(&refusal).map_err(broken)?.into())
        }
        None => Err(claim.in_flight()),
    }
}

/// Fills the claim's slot, unless something is in it that has not expired.
async fn put(executor: impl PgExecutor<'_>, claim: &Claim, content: Content) -> Result<bool, Fault> {
    let put = sqlx::query(PUT)
        .bind(&claim.slot[..])
        .bind(claim.route)
        .bind(&claim.body[..])
        .bind(content.run_id)
        .bind(content.answer)
        .bind(content.refusal);
    Ok(put.execute(executor).await?.rows_affected() == 1)
}

fn json(answer: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(answer).map_err(|error| Fault::internal(&error))
}
