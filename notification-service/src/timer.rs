//! Timers: set, seen, listed, taken back, sent again.

use std::time::Duration;

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    error::FieldErrors,
    handlers::timer_webhook::{TIMER, payload},
    model::{NewWork, TimerPage, TimerState, TimerView},
    service::Service,
    store::{Due, Planned, Sight},
    webhook::Target,
};

/// Ten years, of 365.25 days.
const LONGEST: u64 = 315_576_000;

/// A wish for a timer, as it was sent.
#[derive(Clone, Debug, Default)]
pub struct NewTimer {
    /// Hours from now …
    pub hours: u64,
    /// … and minutes …
    pub minutes: u64,
    /// … and seconds.
    pub seconds: u64,
    /// Whom to call.
    pub url: String,
}

/// No such timer, or none of the caller's.
pub fn not_found() -> Fault {
    Fault::of(Reason::TimerNotFound)
}

/// Sets a timer, for an account or for nobody. `invalid`.
pub async fn create(service: &Service, account_id: Option<Uuid>, new: &NewTimer) -> Result<TimerView, Fault> {
    make(service, account_id, new, None).await.map(|made| made.answer)
}

/// The same, once for a key of the account's, or of a visitor's.
/// `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn create_once(
    service: &Service,
    account_id: Option<Uuid>,
    new: &NewTimer,
    (visitor, key): (Who<'_>, Option<&IdempotencyKey>),
) -> Result<Answered<TimerView>, Fault> {
    let idempotency = service.store.idempotency();
    let who = account_id.map_or(visitor, Who::Account);
    let body = (new.hours, new.minutes, new.seconds, &new.url);
    let claim = idempotency.claim(who, "create_timer", key, &body).await?;
    if let Some(first) = idempotency.first(claim.as_ref()).await? {
        return Ok(first);
    }
    let made = make(service, account_id, new, claim.as_ref()).await;
    idempotency.settle(claim.as_ref(), &made).await;
    made
}

async fn make(
    service: &Service,
    account_id: Option<Uuid>,
    new: &NewTimer,
    claim: Option<&Claim>,
) -> Result<Answered<TimerView>, Fault> {
    let mut errors = FieldErrors::new();
    let total = read_total(new).map_err(|(field, complaint)| errors.add(field, complaint)).ok();
    let target = errors.take("url", Target::parse(&new.url, &service.guard));
    let (total, target) = errors.finish_with(total.zip(target))?;
    let work = NewWork {
        // Random: whoever knows the id of a public timer may read it.
        work_id: Uuid::new_v4(),
        kind: TIMER,
        account_id,
        dedupe: None,
        payload: payload(&new.url),
        lane: target.lane(),
    };
    let due = Due::In(Duration::from_secs(total));
    let Some(claim) = claim else {
        // By itself it is one statement.
        let planned = service.store.plan(&work, due).await?;
        let view = view(&planned.ok_or_else(|| Fault::unavailable("the database"))?, total, new);
        service.alarm.set(view.due_at);
        return Ok(Answered::first(view));
    };
    let mut tx = service.store.begin().await?;
    if let Some(first) = tx.enter_claim(claim).await? {
        return Ok(first);
    }
    let planned = tx.plan(&work, due).await?;
    let view = view(&planned.ok_or_else(|| Fault::unavailable("the database"))?, total, new);
    tx.keep_answer(claim, &view).await?;
    tx.commit().await?;
    service.alarm.set(view.due_at);
    Ok(Answered::first(view))
}

/// A timer that was just set.
fn view(planned: &Planned, total: u64, new: &NewTimer) -> TimerView {
    TimerView {
        timer_id: planned.work_id,
        time_left: total,
        state: TimerState::Waiting,
        attempts: 0,
        last_status: 0,
        fired_at: None,
        due_at: planned.due_at,
        url: new.url.clone(),
        created_at: planned.created_at,
    }
}

/// A timer of the caller's, or of nobody where timers are public. `timer_not_found`.
pub async fn get(service: &Service, account_id: Option<Uuid>, timer_id: Uuid) -> Result<TimerView, Fault> {
    let sight = Sight { account_id, public: service.timers_public };
    service.store.timer(TIMER, timer_id, sight).await?.ok_or_else(not_found)
}

/// A page of the account's timers, newest first, and where the next one begins.
pub async fn list(
    service: &Service,
    account_id: Uuid,
    page: TimerPage,
) -> Result<(Vec<TimerView>, Option<(Timestamp, Uuid)>), Fault> {
    let mut timers =
        service.store.timers(TIMER, account_id, TimerPage { limit: page.limit + 1, ..page }).await?;
    let more = timers.len() as i64 > page.limit;
    timers.truncate(page.limit as usize);
    let next = timers.last().filter(|_| more).map(|last| (last.created_at, last.timer_id));
    Ok((timers, next))
}

/// Takes a timer back. `timer_fired` when it is too late, `timer_not_found`.
pub async fn cancel(service: &Service, account_id: Uuid, timer_id: Uuid) -> Result<(), Fault> {
    match service.store.cancel_timer(TIMER, timer_id, account_id).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Fault::of(Reason::TimerFired)),
        None => Err(not_found()),
    }
}

/// Sends a dead letter again, at once and with a fresh schedule.
/// `timer_not_failed` when it is none, `timer_not_found`.
pub async fn resend(service: &Service, account_id: Uuid, timer_id: Uuid) -> Result<TimerView, Fault> {
    match service.store.resend_timer(TIMER, timer_id, account_id).await? {
        Some(true) => get(service, Some(account_id), timer_id).await,
        Some(false) => Err(Fault::of(Reason::TimerNotFailed)),
        None => Err(not_found()),
    }
}

/// The seconds in all, or the field at fault.
fn read_total(new: &NewTimer) -> Result<u64, (&'static str, &'static str)> {
    const TOO_LONG: &str = "must be at most 10 years in all";
    let parts = [("hours", new.hours, 3600), ("minutes", new.minutes, 60), ("seconds", new.seconds, 1)];
    let mut total: u64 = 0;
    for (field, count, length) in parts {
        let sum = count.checked_mul(length).and_then(|part| total.checked_add(part));
        total = sum.filter(|sum| *sum <= LONGEST).ok_or((field, TOO_LONG))?;
    }
    if total == 0 { Err(("seconds", "must be at least 1 second in all")) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total(hours: u64, minutes: u64, seconds: u64) -> Result<u64, &'static str> {
        read_total(&NewTimer { hours, minutes, seconds, url: String::new() }).map_err(|(field, _)| field)
    }

    #[test]
    fn from_one_second_to_ten_years() {
        assert_eq!(total(4, 0, 1), Ok(14_401));
        assert_eq!(total(0, 0, 1), Ok(1));
        assert_eq!(total(87_660, 0, 0), Ok(LONGEST));
        assert_eq!(total(0, 0, 0), Err("seconds"));
        assert_eq!(total(87_660, 0, 1), Err("seconds"));
        assert_eq!(total(87_661, 0, 0), Err("hours"));
        assert_eq!(total(0, u64::MAX, 0), Err("minutes"));
    }

    proptest! {
        #[test]
        fn no_number_overflows(hours: u64, minutes: u64, seconds: u64) {
            let exact = u128::from(hours) * 3600 + u128::from(minutes) * 60 + u128::from(seconds);
            prop_assert_eq!(total(hours, minutes, seconds).ok().map(u128::from),
                Some(exact).filter(|exact| (1..=u128::from(LONGEST)).contains(exact)));
        }
    }
}
