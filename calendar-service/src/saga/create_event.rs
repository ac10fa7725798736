//! The way forward: T1, T2, T3, or the order to undo.

use std::time::Duration;

use chassis::{
    failpoint::hit,
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, is_about_the_key},
    rpc::{current_request_id, with_request_id},
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tracing::Instrument as _;

use super::{ANSWER_WITHIN, PATIENCE, Plan};
use crate::{
    model::{Change, ChangeKind, EventView, NewChange},
    patience::in_time,
    service::Service,
    store::{NewSaga, SagaState},
};

/// Why a run does not go on.
enum Stop {
    /// Nothing was written.
    Refused(Fault),
    /// Nothing was written: an earlier request with the same key was answered.
    Answered(Box<EventView>),
    /// Something was, or may have been: it must be undone.
    Undo(Fault),
}

/// What became of T1.
enum Begun {
    /// The saga runs.
    Running,
    /// The caller may not write (any more).
    Refused,
    /// An earlier request with the same key was answered.
    Before(Box<EventView>),
}

/// Runs a saga in a task of its own: a caller who goes away changes nothing.
/// `unavailable` is only said when the event will never appear; when that cannot
/// be known in time, it is `deadline_exceeded`.
pub async fn run(service: &Service, plan: Plan) -> Result<Answered<EventView>, Fault> {
    let (answer, outcome) = oneshot::channel();
    let driven = service.clone();
    let run = async move {
        let started = Instant::now();
        let done = drive(&driven, plan).await;
        let outcome = done.as_ref().map_or_else(|fault| fault.reason.as_str(), |_| "confirmed");
        metrics::histogram!("calendar_saga_seconds", "service" => "calendar", "outcome" => outcome)
            .record(started.elapsed());
        // An error means that the caller went away.
        let _ = answer.send(done);
    };
    let run = run.instrument(tracing::Span::current());
    match current_request_id() {
        Some(id) => service.lifecycle.spawn(with_request_id(id, run)),
        None => service.lifecycle.spawn(run),
    }
    match timeout(ANSWER_WITHIN, outcome).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) | Err(_) => Err(Fault::of(Reason::DeadlineExceeded)),
    }
}

async fn drive(service: &Service, plan: Plan) -> Result<Answered<EventView>, Fault> {
    match forward(service, &plan).await {
        Ok(seq) => Ok(Answered::first(EventView { seq, ..plan.view })),
        Err(Stop::Answered(view)) => Ok(Answered::again(*view)),
        Err(Stop::Refused(fault)) => Err(fault),
        Err(Stop::Undo(fault)) => undo(service, plan, fault).await.map(Answered::first),
    }
}

async fn forward(service: &Service, plan: &Plan) -> Result<i64, Stop> {
    hit("saga.t1.before").await.map_err(Stop::Refused)?;
    let names = &plan.view.participants;
    let new = NewSaga {
        saga_id: plan.saga_id,
        event_id: plan.view.event_id,
        calendar_id: plan.view.calendar_id,
        account_id: plan.account_id,
        username: &plan.username,
        ical: (&plan.ical, &plan.columns),
        participant_names: names,
        at: plan.at,
        patience: PATIENCE.as_secs_f64(),
    };
    match in_time(begin(service, &new, plan.claim.as_ref())).await {
        Ok(Begun::Running) => {}
        Ok(Begun::Refused) => return Err(Stop::Refused(refusal(service, plan).await)),
        Ok(Begun::Before(view)) => return Err(Stop::Answered(view)),
        Err(fault) if is_about_the_key(&fault) => return Err(Stop::Refused(fault)),
        Err(fault) => return Err(Stop::Undo(fault)),
    }
    hit("saga.t1.after").await.map_err(Stop::Undo)?;
    hit("saga.reserve.before").await.map_err(Stop::Undo)?;
    reserve(service, plan).await.map_err(Stop::Undo)?;
    hit("saga.reserve.after").await.map_err(Stop::Undo)?;
    hit("saga.t3.before").await.map_err(Stop::Undo)?;
    let change = in_time(confirm(service, plan)).await.map_err(Stop::Undo)?;
    // What happens from here on cannot be refused any more.
    let _ = hit("saga.t3.after").await;
    let seq = change.seq;
    service.announce(vec![change]);
    Ok(seq)
}

/// T1; with a claim, its row says that this saga will answer.
async fn begin(service: &Service, new: &NewSaga<'_>, claim: Option<&Claim>) -> Result<Begun, Fault> {
    let begun = |running: bool| if running { Begun::Running } else { Begun::Refused };
    let Some(claim) = claim else { return service.store.begin_saga(new).await.map(begun) };
    let mut tx = service.store.begin().await?;
    if let Some(Answered { answer, .. }) = tx.enter_claim(claim).await? {
        return Ok(Begun::Before(Box::new(answer)));
    }
    if !tx.begin_saga(new).await? {
        return Ok(Begun::Refused);
    }
    tx.begin_claim(claim, new.saga_id).await?;
    tx.commit().await?;
    Ok(Begun::Running)
}

/// The caller's place changed between the check and T1.
async fn refusal(service: &Service, plan: &Plan) -> Fault {
    match in_time(service.store.membership(plan.view.calendar_id, plan.account_id)).await {
        Ok(Some(place)) => place.role.may_write().err().unwrap_or_else(unavailable),
        Ok(None) => Fault::of(Reason::NotAMember),
        Err(fault) => fault,
    }
}

/// T2. Tried again once where the peer was not reached, or went away while it was asked: it is idempotent.
async fn reserve(service: &Service, plan: &Plan) -> Result<(), Fault> {
    let started = Instant::now();
    let call = || service.participants.reserve(plan.saga_id, plan.view.event_id, &plan.columns.participants);
    let mut reserved = call().await;
    // A connection that ends takes back what it has not sent, which is told as a call that was cancelled.
    let is_away = |fault: &Fault| matches!(fault.reason, Reason::Unavailable | Reason::DeadlineExceeded);
    if reserved.as_ref().is_err_and(is_away) && started.elapsed() < PATIENCE / 4 {
        sleep(Duration::from_millis(50)).await;
        reserved = call().await;
    }
    reserved.map_err(|fault| match fault.reason {
        Reason::ParticipantUnknown => by_name(&fault, plan),
        _ => unavailable(),
    })
}

/// auth-service names accounts; the caller knows usernames.
fn by_name(fault: &Fault, plan: &Plan) -> Fault {
    let accounts = plan.columns.participants.iter().zip(&plan.view.participants);
    let gone = accounts.filter(|(account, _)| fault.names.contains(&account.to_string()));
    let names: Vec<_> = gone.map(|(_, name)| name.clone()).collect();
    let detail = format!("an account is gone: {}", names.join(", "));
    Fault::new(Reason::ParticipantUnknown, detail).with_names(names)
}

/// T3, the point of no return.
async fn confirm(service: &Service, plan: &Plan) -> Result<Change, Fault> {
    let mut tx = service.store.begin().await?;
    let place = tx.enter(plan.view.calendar_id, plan.account_id).await?;
    let place = place.ok_or_else(|| Fault::of(Reason::NotAMember))?;
    place.role.may_write()?;
    let change = NewChange {
        kind: ChangeKind::EventCreated,
        by: plan.username.clone(),
        subject: None,
        payload: plan.view.payload(),
    };
    let change = tx.confirm_saga(plan.saga_id, &place, change).await?.ok_or_else(unavailable)?;
    if let Some(claim) = &plan.claim {
        let answer = EventView { seq: change.seq, ..plan.view.clone() };
        tx.end_claim(claim, plan.saga_id, &answer).await?;
    }
    tx.commit().await?;
    Ok(change)
}

/// Orders the undo, durably. Only then `fault` may be said.
async fn undo(service: &Service, plan: Plan, fault: Fault) -> Result<EventView, Fault> {
    let unknown = || Fault::of(Reason::DeadlineExceeded);
    hit("saga.abort.before").await.map_err(|_| unknown())?;
    let order = || in_time(service.store.abort_saga(plan.saga_id, fault.reason.as_str()));
    let mut ordered = order().await;
    if ordered.is_err() {
        sleep(Duration::from_millis(100)).await;
        ordered = order().await;
    }
    let ordered = ordered.map_err(|_| unknown())?;
    let _ = hit("saga.abort.after").await;
    service.nudge.sagas.notify_one();
    if ordered {
        return Err(said(fault));
    }
    match in_time(service.store.saga_state(plan.saga_id)).await.map_err(|_| unknown())? {
        // The answer to T3's commit was lost, the commit was not.
        Some(SagaState::Confirming | SagaState::Confirmed) => {
            service.nudge.outbox.notify_one();
            let row =
                service.store.event(plan.view.event_id, plan.account_id).await.map_err(|_| unknown())?;
            row.map(crate::store::EventRow::into_view).ok_or_else(unknown)
        }
        // Somebody else ordered the undo first, or T1 never happened; nobody but
        // this task could have done T3.
        _ => Err(said(fault)),
    }
}

/// A refusal is told as it is; everything else means: undone, try again.
fn said(fault: Fault) -> Fault {
    match fault.reason {
        Reason::ParticipantUnknown | Reason::NotAMember | Reason::ReadOnly | Reason::CalendarNotFound => {
            fault
        }
        _ => unavailable(),
    }
}

fn unavailable() -> Fault {
    Fault::unavailable("creating events")
}
