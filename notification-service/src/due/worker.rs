//! One delivery: a task of its own from the claim to the report.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{sync::mpsc, time::Instant};

use super::{LEASE, flight::Flight};
use crate::{
    handlers::Handlers,
    model::{Outcome, Report, Work, WorkState},
};

/// Delivers, and reports what came of it.
pub(super) async fn deliver(
    work: Work,
    handlers: Arc<Handlers>,
    flight: Arc<Flight>,
    reports: mpsc::Sender<Report>,
) {
    let report = attempt(&work, &handlers).await;
    flight.landed(&work.lane);
    match report {
        // An error means that the recorder is gone, and with it the process.
        Some(report) => _ = reports.send(report).await,
        None => flight.let_go([(work.work_id, work.fence)].into_iter()),
    }
}

/// None: it was not tried at all, and is claimed again.
async fn attempt(work: &Work, handlers: &Handlers) -> Option<Report> {
    let kind = work.kind.0;
    let handler = handlers.of_kind(work.kind)?;
    // We may have been frozen since the claim: then it is somebody else's by now.
    if work.heard.elapsed() >= LEASE {
        tracing::warn!(work_id = %work.work_id, kind, "a claim ran out before its delivery began");
        metrics::counter!("due_leases_lost_total", "service" => "notification").increment(1);
        return None;
    }
    if work.attempts == 0 {
        let lateness = work.lateness();
        metrics::histogram!("due_lateness_seconds", "service" => "notification", "kind" => kind)
            .record(lateness);
    }
    let started = Instant::now();
    let outcome = AssertUnwindSafe(handler.deliver(work)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_panic| {
        metrics::counter!("handler_panics_total", "service" => "notification").increment(1);
        tracing::error!(work_id = %work.work_id, kind, "a handler panicked");
        Outcome::Again { status: 0, why: "the handler failed".to_owned() }
    });
    let retry = handler.schedule().after(work.failures, &mut rand::rng());
    let report = report(work, outcome, retry, started.elapsed(), handler.is_request());
    log(work, &report);
    metrics::counter!(
        "due_deliveries_total", "service" => "notification", "kind" => kind, "result" => result(&report)
    )
    .increment(1);
    Some(report)
}

fn report(
    work: &Work,
    outcome: Outcome,
    retry: Option<Duration>,
    took: Duration,
    is_request: bool,
) -> Report {
    let (state, delay, status, failure) = match (outcome, retry) {
        (Outcome::Done { status }, _) => (WorkState::Done, Duration::ZERO, status, String::new()),
        (Outcome::Again { status, why }, Some(delay)) => (WorkState::Open, delay, status, why),
        (Outcome::Again { status, why } | Outcome::Refused { status, why }, _) => {
            (WorkState::Failed, Duration::ZERO, status, why)
        }
    };
    Report { work_id: work.work_id, fence: work.fence, state, delay, status, took, failure, is_request }
}

fn log(work: &Work, report: &Report) {
    let (work_id, kind, attempt) = (work.work_id, work.kind.0, work.attempts + 1);
    match report.state {
        WorkState::Failed => {
            tracing::warn!(%work_id, kind, attempt, status = report.status, why = report.failure, "gave up a delivery");
        }
        WorkState::Open => {
            tracing::info!(%work_id, kind, attempt, status = report.status, why = report.failure, "a delivery failed and comes again");
        }
        _ => tracing::debug!(%work_id, kind, attempt, status = report.status, "delivered"),
    }
}

const fn result(report: &Report) -> &'static str {
    match report.state {
        WorkState::Done => "done",
        WorkState::Open => "again",
        WorkState::Failed | WorkState::Cancelled => "failed",
    }
}

/// What the negative control records before the delivery.
#[cfg(debug_assertions)]
pub(super) fn as_if_done(work: &Work) -> Report {
    report(work, Outcome::Done { status: 200 }, None, Duration::ZERO, true)
}
