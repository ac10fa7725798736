//! The rules at work: takes devices with something new, reads through what they
//! sent, and writes what is to be told.
//!
//! A device is claimed by lease; what a claim found out is written in one
//! transaction with the device's new state, and only while the claim still
//! holds. Killed anywhere, the work is done again, with the same outcome.

use std::{collections::HashSet, time::Duration};

use chassis::{failpoint::hit, fault::Fault};
use metrics::counter;

use crate::{
    model::Device,
    patience::in_time,
    rules::{Observation, Plan, reconcile},
    service::Service,
    store::{ClaimedDevice, Planned, Scan, Subject},
};

/// A claim, in seconds; what a dead instance holds is free after it.
const LEASE: f64 = 10.0;
/// Devices of one round.
const ROUND: i64 = 32;
/// Events of one device of one read.
const PAGE: i64 = 500;
/// Notifications of one transaction.
const STEP: usize = 1000;
/// A lost wake-up costs this.
const POLL: Duration = Duration::from_millis(250);
/// While the database is away.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until the process drains.
pub async fn run(service: Service) {
    while !service.lifecycle.is_draining() {
        let pause = match round(&service).await {
            Ok(true) => continue,
            Ok(false) => POLL,
            // The store has said why; it is the database's turn.
            Err(_) => PAUSE,
        };
        tokio::select! {
            () = service.nudge.inbox.notified() => {},
            () = tokio::time::sleep(pause) => {},
            () = service.lifecycle.draining() => {},
        }
    }
}

/// One round; answers whether there was something to do.
pub async fn round(service: &Service) -> Result<bool, Fault> {
    let claims = in_time(service.store.claim_devices(ROUND, LEASE)).await?;
    if claims.is_empty() {
        return Ok(false);
    }
    hit("activity.claimed").await?;
    let observations = observe(service, &claims).await?;
    let plans = plan(service, &claims, observations).await?;
    hit("activity.planned").await?;
    write(service, &claims, &plans).await?;
    Ok(true)
}

/// Shows the rules all that they have to see of each device.
async fn observe(service: &Service, claims: &[ClaimedDevice]) -> Result<Vec<Observation>, Fault> {
    let rules = &service.rules;
    let mut observations: Vec<_> = claims.iter().map(|claim| Observation::begin(rules, claim.span)).collect();
    let scan = |claim: &ClaimedDevice| Scan::new(claim.device.clone(), Observation::reads(rules, claim.span));
    let mut scans: Vec<_> = claims.iter().map(scan).collect();
    // Which claim each scan belongs to.
    let mut places: Vec<_> = (0..claims.len()).collect();
    while !scans.is_empty() {
        let pages = in_time(service.store.read_on(&mut scans, rules.types(), PAGE)).await?;
        let mut more = Vec::with_capacity(pages.len());
        for (page, place) in pages.iter().zip(&places) {
            page.events.iter().for_each(|event| observations[*place].see(event));
            more.push(page.more);
        }
        keep(&mut scans, &more);
        keep(&mut places, &more);
        if !scans.is_empty() {
            in_time(hold(service, claims)).await?;
        }
    }
    Ok(observations)
}

async fn hold(service: &Service, claims: &[ClaimedDevice]) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    tx.hold_devices(claims, LEASE).await?;
    tx.commit().await
}

fn keep<T>(list: &mut Vec<T>, wanted: &[bool]) {
    let mut wanted = wanted.iter();
    list.retain(|_| wanted.next().is_some_and(|wanted| *wanted));
}

/// Compares what the rules want with what is known.
async fn plan(
    service: &Service,
    claims: &[ClaimedDevice],
    observations: Vec<Observation>,
) -> Result<Vec<Plan>, Fault> {
    let reach = service.rules.reach();
    let subject = |claim: &ClaimedDevice| claim.span.widened(2 * reach, reach);
    let subjects: Vec<_> =
        claims.iter().map(|claim| Subject { device: &claim.device, span: subject(claim) }).collect();
    let known = in_time(service.store.known_notifications(&subjects)).await?;
    let each = claims.iter().zip(observations).zip(&known);
    let plans = each.map(|((claim, observation), known)| {
        let (span, wanted) = observation.end();
        reconcile(&service.rules, &claim.device, span, wanted, known)
    });
    Ok(plans.collect())
}

/// Writes the plans of those devices whose claims still hold. All in one
/// transaction, but for plans that are too long for one: what comes earlier
/// waits until the device is done.
async fn write(service: &Service, claims: &[ClaimedDevice], plans: &[Plan]) -> Result<(), Fault> {
    let planned = claims.iter().zip(plans).flat_map(|(claim, plan)| {
        let device = &claim.device;
        plan.tell.iter().map(move |(id, wanted)| Planned { device, notification_id: *id, wanted })
    });
    let planned: Vec<_> = planned.collect();
    let cancelled: Vec<_> = plans.iter().flat_map(|plan| &plan.cancel).copied().collect();
    let mut steps: Vec<_> = planned.chunks(STEP).collect();
    let last = steps.pop().unwrap_or_default();
    for step in steps {
        in_time(write_part(service, claims, step)).await?;
    }
    let lost = in_time(finish(service, claims, plans, last)).await?;
    service.nudge.notifications.notify_one();
    for new in &planned {
        counter!("activity_rule_firings_total", "service" => "activity", "rule" => new.wanted.rule)
            .increment(1);
    }
    for (_, rule) in cancelled {
        counter!("activity_rule_cancellations_total", "service" => "activity", "rule" => rule).increment(1);
    }
    if lost > 0 {
        tracing::warn!(lost, "claims of devices ran out before they were done");
    }
    Ok(())
}

async fn write_part(service: &Service, claims: &[ClaimedDevice], part: &[Planned<'_>]) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    let ours = tx.hold_devices(claims, LEASE).await?;
    tx.plan_notifications(&of_devices(part, &ours)).await?;
    tx.commit().await
}

/// The last part, and with it the end of the claims; answers how many of them
/// were not ours any more.
async fn finish(
    service: &Service,
    claims: &[ClaimedDevice],
    plans: &[Plan],
    part: &[Planned<'_>],
) -> Result<usize, Fault> {
    let mut tx = service.store.begin().await?;
    let ours = tx.finish_devices(claims).await?;
    let part = of_devices(part, &ours);
    if !part.is_empty() {
        tx.plan_notifications(&part).await?;
    }
    let held = claims.iter().zip(plans).filter(|(claim, _)| ours.contains(&claim.device));
    let over: Vec<_> = held.flat_map(|(_, plan)| &plan.cancel).map(|(id, _)| *id).collect();
    if !over.is_empty() {
        tx.cancel_notifications(&over).await?;
    }
    tx.commit().await?;
    Ok(claims.len() - ours.len())
}

fn of_devices<'a>(planned: &[Planned<'a>], devices: &HashSet<Device>) -> Vec<Planned<'a>> {
    planned.iter().filter(|new| devices.contains(new.device)).cloned().collect()
}
