//! Several services in one process: started in order, watched together, ended in reverse.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;

use chassis::fault::chain;
use chassis::lifecycle::Lifecycle;
use futures::future::select_all;
use tokio::task::JoinHandle;
use tracing::{error, info};

/// The services of this process.
#[derive(Debug)]
pub struct Services {
    process: Lifecycle,
    running: Vec<Running>,
}

/// A service ended although nobody told it to, or badly.
#[derive(Debug, thiserror::Error)]
#[error("{service} failed: {reason}")]
pub struct ServiceError {
    service: &'static str,
    reason: String,
}

#[derive(Debug)]
struct Running {
    name: &'static str,
    lifecycle: Lifecycle,
    task: JoinHandle<Result<(), String>>,
}

impl Services {
    /// None yet; they become parts of `process`, whose readiness is the sum of theirs.
    pub fn of(process: &Lifecycle) -> Self {
        Self { process: process.clone(), running: Vec::new() }
    }

    /// Starts a service with a lifecycle of its own.
    pub fn start<F, E>(&mut self, name: &'static str, run: impl FnOnce(Lifecycle) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Error + 'static,
    {
        let lifecycle = self.process.sibling(name);
        let mut beginning = Some(lifecycle.health().dependency("beginning"));
        let end = run(lifecycle.clone());
        let task = tokio::spawn(async move {
            let mut end = pin!(end);
            // A service registers what it needs before it waits for anything: only from then on does
            // "nothing is missing" mean that it is ready.
            let end = poll_fn(|context| {
                let polled = end.as_mut().poll(context);
                if let Some(beginning) = beginning.take() {
                    beginning.up();
                }
                polled
            });
            end.await.map_err(|failure| chain(&failure))
        });
        self.running.push(Running { name, lifecycle, task });
    }

    /// Waits until one of them ends by itself, which is a failure even when it calls it success.
    pub async fn failure(&mut self) -> ServiceError {
        let (end, index, _) = select_all(self.running.iter_mut().map(|service| &mut service.task)).await;
        let service = self.running.swap_remove(index).name;
        let reason = match end {
            Ok(Ok(())) => "ended by itself".to_owned(),
            Ok(Err(reason)) => reason,
            Err(panic) => panic.to_string(),
        };
        ServiceError { service, reason }
    }

    /// Ends them, the last started first: who calls ends before who is called. When the process
    /// aborts, all that are left are dropped at once.
    pub async fn stop(mut self) {
        while let Some(Running { name, lifecycle, mut task }) = self.running.pop() {
            lifecycle.drain();
            let end = tokio::select! {
                end = &mut task => end,
                () = self.process.aborting() => {
                    lifecycle.abort();
                    task.abort();
                    error!(service = name, "the service did not end in time");
                    continue;
                }
            };
            match end {
                Ok(Ok(())) => info!(service = name, "the service has ended"),
                Ok(Err(reason)) => error!(service = name, error = reason, "the service ended badly"),
                Err(panic) => error!(service = name, error = %panic, "the service panicked"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    /// Notes its name when it has drained.
    async fn polite(name: &'static str, ends: Arc<Mutex<Vec<&str>>>, until: Lifecycle) -> io::Result<()> {
        until.draining().await;
        ends.lock().expect("no panic").push(name);
        Ok(())
    }

    #[tokio::test]
    async fn the_last_started_ends_first() {
        let process = Lifecycle::new();
        let ends = Arc::new(Mutex::new(Vec::new()));
        let mut services = Services::of(&process);
        for name in ["auth", "calendar", "gateway"] {
            let ends = Arc::clone(&ends);
            services.start(name, move |until| polite(name, ends, until));
        }
        services.stop().await;
        assert_eq!(*ends.lock().expect("no panic"), ["gateway", "calendar", "auth"]);
    }

    #[tokio::test]
    async fn nothing_is_ready_before_it_has_begun() {
        let process = Lifecycle::new();
        let mut services = Services::of(&process);
        services.start("auth", |until| async move {
            let database = until.health().dependency("database");
            until.draining().await;
            database.up();
            io::Result::Ok(())
        });
        assert_eq!(process.health().missing().len(), 1, "before it was polled at all");
        tokio::task::yield_now().await;
        assert_eq!(process.health().missing()[0].0, "auth: database");
        services.stop().await;
    }

    #[tokio::test]
    async fn a_service_that_ends_by_itself_is_named() {
        let process = Lifecycle::new();
        let mut services = Services::of(&process);
        services.start("auth", |_| std::future::pending::<io::Result<()>>());
        services.start("gateway", async |_| Err(io::Error::other("no socket")));
        let failure = services.failure().await.to_string();
        assert_eq!(failure, "gateway failed: no socket");
    }

    #[tokio::test]
    async fn an_abort_waits_for_nobody() {
        let process = Lifecycle::new();
        let mut services = Services::of(&process);
        for name in ["auth", "gateway"] {
            services.start(name, |_| std::future::pending::<io::Result<()>>());
        }
        process.abort();
        services.stop().await;
    }
}
