//! One term of leading the stream.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    Processor,
    saving::{Pending, Saved, Saving},
};
use crate::broker::Delivery;
use crate::relay::{
    clients::accept::{self, Movement},
    config::OnClose,
    engine::{Applied, Engine},
    feed::{self, Acknowledge, Fed},
    leader::Tenure,
    metrics,
    store::Standing,
};

/// Between two looks at gaps and at what is to be kept.
const TICK: Duration = Duration::from_millis(25);
/// Packs that are applied before the stages are written, when more are there at
/// once: a stage that is full costs half as much a byte as one that is not.
const PACKS_IN_A_ROW: u32 = 16;
/// All clients together are behind: the stream waits so long, then the one furthest behind goes.
const PATIENCE: Duration = Duration::from_secs(1);
/// Clients may take so long for what is left when the term ends.
const FAREWELL: Duration = Duration::from_secs(2);
/// The last snapshot of a process that ends.
const LAST_SNAPSHOT: Duration = Duration::from_secs(3);

/// A term: the state, and what of it is kept and acknowledged.
pub(super) struct Term<'a> {
    processor: &'a Processor,
    engine: Engine,
    /// Of this leader, where snapshots are kept.
    standing: Option<Standing>,
    /// What was taken and is in no snapshot.
    pending: Pending,
    /// A snapshot that is being written, and what it lets us acknowledge.
    saving: Option<Saving>,
    /// No snapshot before: a large one must not take all the time.
    not_before: Instant,
    /// The event that is waited for, and since when.
    gap: Option<(u64, Instant)>,
    acknowledge: mpsc::Sender<Acknowledge>,
    /// Until the feed takes its end.
    acknowledgements: Option<mpsc::Receiver<Acknowledge>>,
}

// === impl Term ===

impl<'a> Term<'a> {
    pub(super) fn new(processor: &'a Processor, engine: Engine, standing: Option<Standing>) -> Self {
        let (acknowledge, acknowledgements) = mpsc::channel(4);
        let now = Instant::now();
        Self {
            processor,
            engine,
            standing,
            pending: Pending::none(0),
            saving: None,
            not_before: now,
            gap: None,
            acknowledge,
            acknowledgements: Some(acknowledgements),
        }
    }

    /// Leads until the soft stop or until the lead is lost.
    pub(super) async fn serve(mut self, mut tenure: Option<watch::Receiver<Tenure>>) {
        metrics::leads(true);
        let (fed, mut packs) = mpsc::channel(PACKS_IN_A_ROW as usize);
        let (moved, mut movements) = mpsc::channel(64);
        let Some(acknowledgements) = self.acknowledgements.take() else { return };
        let processor = self.processor;
        let mut feeding = tokio::spawn(feed::run(
            Arc::clone(&processor.broker),
            fed,
            acknowledgements,
            processor.feed.clone(),
            self.grace(),
        ));
        let budget = self.engine.clients.budget();
        let mut accepting = pin!(accept::run(
            Arc::clone(&processor.clients),
            moved,
            (budget, Arc::clone(&processor.places)),
            processor.lifecycle.clone(),
        ));
        let mut accepts = true;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let lost = loop {
            tokio::select! {
                biased;
                () = processor.lifecycle.draining() => break false,
                tenure = changed(&mut tenure) => if !self.heed(tenure) { break true },
                Some(movement) = movements.recv() => self.moved(movement),
                saved = Saving::finish(&mut self.saving) => self.saved(saved).await,
                () = &mut accepting, if accepts => accepts = false,
                _ = tick.tick() => self.tick().await,
                fed = packs.recv() => {
                    let Some(fed) = fed else {
                        tracing::error!("the feed has died: the term ends with it");
                        break true;
                    };
                    self.fed(fed, &mut packs).await;
                }
            }
        };
        self.end(lost).await;
        drop(movements);
        if accepts && !lost {
            // Clients take what is left.
            let _ = timeout(FAREWELL, accepting).await;
        }
        drop(packs);
        drop(self);
        if timeout(FAREWELL, &mut feeding).await.is_err() {
            feeding.abort();
        }
        metrics::leads(false);
        metrics::clients(0, 0);
        metrics::gap(0, 0.0);
        metrics::unacknowledged(0);
    }

    /// Clients of the leader before come back before the stream goes on.
    fn grace(&self) -> Duration {
        let goes_on = self.processor.config.amqp.is_some() && self.engine.position() > 0;
        if goes_on { self.processor.config.takeover_grace } else { Duration::ZERO }
    }

    /// What comes from the broker, and whatever more is there at once.
    async fn fed(&mut self, first: Fed, packs: &mut mpsc::Receiver<Fed>) {
        let mut next = Some(first);
        let mut in_a_row = 0;
        while let Some(fed) = next {
            match fed {
                Fed::Subscribed(subscription) => {
                    self.pending = Pending::none(subscription);
                }
                Fed::Pack(pack) => self.apply(pack).await,
            }
            in_a_row += 1;
            next = if in_a_row < PACKS_IN_A_ROW { packs.try_recv().ok() } else { None };
        }
        self.flush().await;
        if self.pending.packs >= self.processor.config.prefetch() / 2 {
            self.save();
        }
    }

    async fn apply(&mut self, pack: Delivery) {
        // A test's defence switched off: what is acknowledged before it is kept can be lost.
        let early =
            self.standing.is_some() && chassis::failpoint::hit("relay.acknowledge.early").await.is_err();
        let applied = self.engine.apply(pack.id, &pack.body);
        if self.standing.is_some() {
            if self.pending.packs == 0 {
                self.pending.since = Instant::now();
            }
            self.pending.packs += 1;
            self.pending.tag = pack.tag;
        }
        if early {
            self.acknowledge(self.pending).await;
        }
        if applied == Applied::Sources {
            self.finished().await;
        }
    }

    /// A finished stream may be followed by a new one.
    async fn finished(&mut self) {
        if self.processor.config.on_close == OnClose::Reset && self.engine.is_finished() {
            tracing::info!(
                position = self.engine.position(),
                "the stream has ended: the next one begins with 1"
            );
            self.flush().await;
            self.engine.reset();
            metrics::reset("sources closed");
        }
    }

    async fn flush(&mut self) {
        self.engine.clients.flush();
        self.engine.sequencer.relax();
        metrics::block(&std::mem::take(&mut self.engine.counts));
        let budget = self.engine.clients.budget();
        while budget.is_spent() {
            if timeout(PATIENCE, budget.room()).await.is_err() {
                self.engine.clients.drop_fullest();
            }
        }
    }

    fn moved(&mut self, movement: Movement) {
        match movement {
            Movement::Joined(id, link) => self.engine.join(id, link),
            Movement::Left(id, link) => self.engine.clients.leave(id, &link),
        }
    }

    async fn tick(&mut self) {
        let age = self.gap_age();
        if let Some(limit) = self.processor.config.gap_timeout
            && age > limit
            && self.engine.skip().is_some()
        {
            self.flush().await;
            self.finished().await;
        }
        metrics::gap(self.engine.sequencer.waiting(), age.as_secs_f64());
        metrics::clients(self.engine.clients.len(), self.engine.clients.budget().unsent());
        metrics::graph(self.engine.followers.bytes());
        metrics::unacknowledged(self.pending.packs);
        if self.pending.packs > 0 && self.pending.since.elapsed() >= self.processor.config.snapshot_interval {
            self.save();
        }
    }

    /// How long the same event has been missing.
    fn gap_age(&mut self) -> Duration {
        let (next, now) = (self.engine.sequencer.next(), Instant::now());
        if self.engine.sequencer.waiting() == 0 {
            self.gap = None;
            return Duration::ZERO;
        }
        let (missing, since) = *self.gap.get_or_insert((next, now));
        if missing != next {
            self.gap = Some((next, now));
            return Duration::ZERO;
        }
        now - since
    }

    /// Begins to write a snapshot, unless one is being written.
    fn save(&mut self) {
        if self.saving.is_some() || Instant::now() < self.not_before {
            return;
        }
        if let (Some(store), Some(standing)) = (self.processor.store.clone(), self.standing) {
            self.saving = Some(Saving::start(store, standing, &self.engine, self.pending));
        }
    }

    /// A snapshot is written: what it holds is acknowledged. Or it is not: then later.
    async fn saved(&mut self, Saved { written, covered, time }: Saved) {
        // At most a fifth of the time goes into snapshots.
        self.not_before = Instant::now() + time * 4;
        if written {
            self.acknowledge(covered).await;
        }
    }

    async fn acknowledge(&mut self, covered: Pending) {
        if covered.subscription != self.pending.subscription || covered.packs == 0 {
            return;
        }
        self.pending.packs = self.pending.packs.saturating_sub(covered.packs);
        self.pending.since = Instant::now();
        let acknowledge = Acknowledge { subscription: covered.subscription, tag: covered.tag };
        // The feed takes these before anything else.
        let _ = self.acknowledge.send(acknowledge).await;
    }

    /// Whether it still leads; a stream that was reset by hand is forgotten here too.
    fn heed(&mut self, tenure: Tenure) -> bool {
        let (Tenure::Holds(generation), Some(standing)) = (tenure, &mut self.standing) else { return false };
        if standing.generation != generation {
            standing.generation = generation;
            tracing::info!(position = self.engine.position(), "the stream was reset by hand");
            self.engine.reset();
            metrics::reset("hand");
        }
        true
    }

    /// The last things of a term.
    async fn end(&mut self, lost: bool) {
        self.engine.clients.flush();
        self.engine.clients.finish();
        metrics::block(&std::mem::take(&mut self.engine.counts));
        if lost || self.pending.packs == 0 {
            return;
        }
        let last = async {
            if self.saving.is_some() {
                let saved = Saving::finish(&mut self.saving).await;
                self.saved(saved).await;
            }
            self.not_before = Instant::now();
            self.save();
            if self.saving.is_some() {
                let saved = Saving::finish(&mut self.saving).await;
                self.saved(saved).await;
            }
        };
        if timeout(LAST_SNAPSHOT, last).await.is_err() {
            tracing::warn!("no last snapshot: the next leader repeats what came since the one before");
        }
    }
}

/// Waits for news of the lead; for ever when nobody else can have it.
async fn changed(tenure: &mut Option<watch::Receiver<Tenure>>) -> Tenure {
    let Some(tenure) = tenure else { return std::future::pending().await };
    match tenure.changed().await {
        Ok(()) => *tenure.borrow_and_update(),
        Err(_) => Tenure::Lost,
    }
}
