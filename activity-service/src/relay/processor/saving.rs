//! Snapshots beside the stream, and which packs each lets us acknowledge.

use std::time::Duration;

use chassis::fault::Fault;
use tokio::{task::JoinHandle, time::Instant};

use crate::relay::{
    engine::Engine,
    keep::{self, Kept},
    metrics, snapshot,
    store::{RelayStore, Standing, Summary},
};

/// Packs that are not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) subscription: u64,
    /// The last one.
    pub(super) tag: u64,
    pub(super) packs: usize,
    /// When the first one was taken.
    pub(super) since: Instant,
}

/// A snapshot on its way.
pub(super) struct Saving {
    task: JoinHandle<Result<Kept, Fault>>,
    covered: Pending,
    started: Instant,
}

/// A snapshot that is written, or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Saved {
    pub(super) written: bool,
    /// What it holds.
    pub(super) covered: Pending,
    /// What it took.
    pub(super) time: Duration,
}

// === impl Pending ===

impl Pending {
    /// None of a new subscription.
    pub(super) fn none(subscription: u64) -> Self {
        Self { subscription, tag: 0, packs: 0, since: Instant::now() }
    }
}

// === impl Saving ===

impl Saving {
    /// Takes a picture of the state, and writes it while the stream goes on.
    pub(super) fn start(store: RelayStore, standing: Standing, engine: &Engine, covered: Pending) -> Self {
        let bytes = snapshot::write(engine);
        let (position, waiting) = (engine.position(), engine.sequencer.waiting());
        let summary = Summary { position, waiting, bytes: bytes.len() };
        let task = tokio::spawn(async move { write(&store, standing, summary, &bytes).await });
        Self { task, covered, started: Instant::now() }
    }

    /// Waits for the snapshot on its way; for ever when there is none.
    pub(super) async fn finish(saving: &mut Option<Self>) -> Saved {
        let Some(Self { task, covered, started }) = saving else { return std::future::pending().await };
        let written = matches!(task.await, Ok(Ok(Kept::Written)));
        let saved = Saved { written, covered: *covered, time: started.elapsed() };
        *saving = None;
        saved
    }
}

async fn write(
    store: &RelayStore,
    standing: Standing,
    summary: Summary,
    bytes: &[u8],
) -> Result<Kept, Fault> {
    let started = Instant::now();
    let outcome = keep::write(store, standing, summary, bytes).await;
    let label = match &outcome {
        Ok(Kept::Written) => "written",
        Ok(Kept::Refused) => "refused",
        Err(_) => "failed",
    };
    metrics::snapshot(label, bytes.len(), started.elapsed().as_secs_f64());
    outcome
}
