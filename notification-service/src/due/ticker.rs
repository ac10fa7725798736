//! Waits for the next moment, and claims what is due.

use std::{sync::Arc, time::Duration};

use chassis::{backoff::Backoff, fault::Fault, lifecycle::Lifecycle};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    LEASE,
    alarm::{Alarm, HORIZON},
    flight::Flight,
    survey::Survey,
    worker,
};
use crate::{handlers::Handlers, model::Report, patience::in_time, store::Store};

/// A lost wake-up, or a clock that was set forward, costs this.
const LOOK: Duration = Duration::from_millis(500);
/// Between two claims that found all there was: what falls due meanwhile comes
/// together.
const GAP: Duration = Duration::from_millis(2);
/// What runs when the process drains has this long to end. What does not is
/// claimed by somebody else when its lease ends.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

pub(super) struct Ticker {
    pub(super) store: Store,
    pub(super) handlers: Arc<Handlers>,
    pub(super) alarm: Alarm,
    pub(super) flight: Arc<Flight>,
    pub(super) reports: mpsc::Sender<Report>,
    #[cfg(debug_assertions)]
    pub(super) record_first: bool,
}

/// What is to do after a turn.
enum Next {
    /// There may be more.
    Turn,
    /// Everything that is due was claimed, or belongs to lanes that are busy.
    Rest,
    /// No room for anything.
    Room,
}

// === impl Ticker ===

impl Ticker {
    pub(super) async fn run(self, lifecycle: Lifecycle) {
        // A dropped set ends its tasks wherever they are.
        let mut deliveries = JoinSet::new();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let mut next_look = Instant::now();
        let mut survey = Survey::default();
        while !lifecycle.is_draining() {
            let next = self.turn(&mut deliveries, &mut next_look, &mut survey).await;
            if next.is_ok() {
                backoff.reset();
            }
            let waiting = async {
                match next {
                    Ok(Next::Turn) => {}
                    Ok(Next::Rest) => self.rest(next_look).await,
                    Ok(Next::Room) => self.flight.freed.notified().await,
                    // The store has said why; it is the database's turn.
                    Err(_) => {
                        let pause = backoff.next_delay(&mut rand::rng()) + Duration::from_millis(20);
                        sleep(pause).await;
                    }
                }
            };
            tokio::select! { () = waiting => {}, () = lifecycle.draining() => {} }
        }
        let ending = async { while deliveries.join_next().await.is_some() {} };
        if timeout(LAST_DELIVERIES, ending).await.is_err() {
            tracing::info!(left = deliveries.len(), "deliveries do not end; they are repeated elsewhere");
        }
    }

    /// Looks at the near moments now and then, and claims once.
    async fn turn(
        &self,
        deliveries: &mut JoinSet<()>,
        next_look: &mut Instant,
        survey: &mut Survey,
    ) -> Result<Next, Fault> {
        while deliveries.try_join_next().is_some() {}
        if Instant::now() >= *next_look {
            let (now, moments) = in_time(self.store.near_moments(HORIZON)).await?;
            self.alarm.set_all(Instant::now(), now, &moments);
            *next_look = Instant::now() + LOOK;
        }
        let room = self.flight.room();
        if room.total == 0 {
            return Ok(Next::Room);
        }
        let begun = Instant::now();
        let order = survey.order(room, self.alarm.first(), (self.handlers.kinds(), LEASE));
        let claim = in_time(self.store.claim(&order)).await?;
        let all = survey.learn(&order, &claim, begun);
        if all {
            self.alarm.passed(claim.heard, claim.now);
        }
        #[cfg(debug_assertions)]
        if self.record_first {
            let done: Vec<_> = claim.works.iter().map(worker::as_if_done).collect();
            in_time(self.store.record(&done)).await?;
        }
        let claimed = !claim.works.is_empty();
        for work in claim.works {
            self.flight.take(&work);
            let handlers = Arc::clone(&self.handlers);
            let (flight, reports) = (Arc::clone(&self.flight), self.reports.clone());
            deliveries.spawn(worker::deliver(work, handlers, flight, reports));
        }
        // A lane that emptied while its claim was made says nothing: it was never full.
        let goes_on = claimed && survey.can_go_on(&self.flight.room());
        Ok(if all && !goes_on { Next::Rest } else { Next::Turn })
    }

    /// Waits until there may be something to claim.
    async fn rest(&self, next_look: Instant) {
        let earliest = Instant::now() + GAP;
        loop {
            let wake = self.alarm.next().unwrap_or(next_look).min(next_look).max(earliest);
            tokio::select! {
                () = sleep_until(wake) => return,
                () = self.flight.freed.notified() => return,
                () = self.alarm.changed() => {}
            }
        }
    }
}
