//! The end of a process, in two steps.
//!
//! `soft` (first signal): become unready, stop accepting, finish what runs.
//! `hard` (second signal, or the grace period is over): drop it. A background
//! loop that dies is restarted, counted, and shows in readiness when it keeps
//! dying (PROMISES, rules 21 and 22).

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt as _;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep},
};
use tokio_util::{future::FutureExt as _, sync::CancellationToken, task::TaskTracker};

use crate::{backoff::Backoff, health::Health};

/// From the first signal to the hard stop; the contract allows ten seconds in all.
const GRACE: Duration = Duration::from_secs(8);
/// A loop that lived this long starts its back-off anew.
const LIVED_WELL: Duration = Duration::from_secs(30);
/// Deaths in a row after which the process calls itself unready.
const DEATHS_UNTIL_UNREADY: u32 = 3;

/// Handed to everything that runs; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    health: Health,
}

// === impl Lifecycle ===

impl Lifecycle {
    /// A lifecycle that ends only when told.
    pub fn new() -> Self {
        Self::default()
    }

    /// A lifecycle of its own whose [`Health`] is a share of this one's: one
    /// service among several in a process.
    pub fn sibling(&self, service: &str) -> Self {
        Self { health: self.health.scoped(service), ..Self::default() }
    }

    /// What this process needs in order to serve.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// Starts the soft stop.
    pub fn drain(&self) {
        self.soft.cancel();
    }

    /// Starts the hard stop.
    pub fn abort(&self) {
        self.soft.cancel();
        self.hard.cancel();
    }

    /// Whether the soft stop has begun.
    pub fn is_draining(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Waits for the soft stop.
    pub async fn draining(&self) {
        self.soft.cancelled().await;
    }

    /// Waits for the hard stop.
    pub async fn aborting(&self) {
        self.hard.cancelled().await;
    }

    /// SIGTERM or SIGINT starts the soft stop; a second one, or eight seconds,
    /// the hard stop.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut term = signal(SignalKind::terminate())?;
        let mut int = signal(SignalKind::interrupt())?;
        let this = self.clone();
        tokio::spawn(async move {
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, () = this.draining() => {} }
            tracing::info!("stopping: finishing what runs");
            this.drain();
            tokio::select! { _ = term.recv() => {}, _ = int.recv() => {}, () = sleep(GRACE) => {} }
            this.abort();
        });
        Ok(())
    }

    /// Runs a task that is waited for at the end and dropped at the hard stop.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // No async block around it: that would keep room for the task twice, for as long as it runs.
        self.tasks.spawn(task.with_cancellation_token_owned(self.hard.clone()));
    }

    /// Runs a task that is not waited for at the end, and is dropped once all that
    /// are have ended: it serves whoever looks on.
    pub fn accompany(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (tasks, hard) = (self.tasks.clone(), self.hard.clone());
        tokio::spawn(async move {
            tokio::select! { () = task => {}, () = tasks.wait() => {}, () = hard.cancelled() => {} }
        });
    }

    /// Keeps a background loop alive until the soft stop. Its name begins with
    /// its service, such as `calendar-sagas`. The loop itself
    /// watches [`Self::draining`] and returns; when it panics, or returns
    /// early, it is started again after a back-off.
    pub fn supervise<F>(&self, name: &'static str, mut start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let this = self.clone();
        let state = self.health.dependency(format!("task {name}"));
        state.up();
        // There from the start, so that the first death is a change.
        deaths_of(name).increment(0);
        self.spawn(async move {
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
            let mut deaths = 0;
            while !this.is_draining() {
                let started = Instant::now();
                let end = AssertUnwindSafe(start()).catch_unwind().await;
                if this.is_draining() {
                    break;
                }
                if started.elapsed() > LIVED_WELL {
                    deaths = 0;
                    backoff.reset();
                    state.up();
                }
                deaths += 1;
                deaths_of(name).increment(1);
                tracing::error!(task = name, panicked = end.is_err(), "background task ended, restarting");
                if deaths >= DEATHS_UNTIL_UNREADY {
                    state.down("keeps dying");
                }
                let delay = backoff.next_delay(&mut rand::rng());
                tokio::select! { () = sleep(delay) => {}, () = this.draining() => {} }
            }
        });
    }

    /// Waits until every task has ended; at the latest for the hard stop.
    pub async fn finish(&self) {
        self.tasks.close();
        tokio::select! { () = self.tasks.wait() => {}, () = self.hard.cancelled() => {} }
    }
}

fn deaths_of(task: &'static str) -> metrics::Counter {
    let service = task.split_once('-').map_or(task, |(service, _)| service);
    metrics::counter!("background_task_deaths_total", "service" => service, "task" => task)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_keeps_dying_is_restarted_and_makes_the_process_unready() {
        let lifecycle = Lifecycle::new();
        let starts = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&starts);
        lifecycle.supervise("test", move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { panic!("on purpose") }
        });
        sleep(Duration::from_mins(1)).await;
        assert!(starts.load(Ordering::SeqCst) > 3);
        assert_eq!(lifecycle.health().missing().len(), 1);
        lifecycle.drain();
        lifecycle.finish().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_looks_on_stays_to_the_end_and_does_not_delay_it() {
        let lifecycle = Lifecycle::new();
        let (watched, gone) = tokio::sync::oneshot::channel::<()>();
        lifecycle.accompany(async move {
            let _watched = watched;
            std::future::pending::<()>().await;
        });
        lifecycle.spawn(sleep(Duration::from_secs(3)));
        lifecycle.drain();
        let mut gone = std::pin::pin!(gone);
        assert!(
            tokio::time::timeout(Duration::from_secs(2), &mut gone).await.is_err(),
            "while something runs"
        );
        lifecycle.finish().await;
        assert!(gone.await.is_err(), "nobody looks any more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_well_behaved_loop_ends_with_the_drain() {
        let lifecycle = Lifecycle::new();
        let inner = lifecycle.clone();
        lifecycle.supervise("test", move || {
            let inner = inner.clone();
            async move { inner.draining().await }
        });
        lifecycle.drain();
        lifecycle.finish().await;
        assert!(lifecycle.health().missing().is_empty());
    }
}
