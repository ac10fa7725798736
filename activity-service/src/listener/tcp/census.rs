//! How many sources are connected; the processor hears when the first one comes
//! and when the last one has gone, in order with what they sent.

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use chassis::lifecycle::Lifecycle;
use tokio::sync::{mpsc, oneshot};

use crate::{
    broker::{Broker, Closed},
    relay::{metrics, pack},
};

/// Counts sources.
#[derive(Clone, Debug)]
pub(super) struct Census {
    changes: mpsc::Sender<Change>,
}

/// A source that is counted.
#[derive(Debug)]
pub(super) struct Presence {
    changes: mpsc::Sender<Change>,
}

#[derive(Debug)]
enum Change {
    /// Answered when the processor is going to hear of it first.
    Opened(oneshot::Sender<()>),
    Closed,
}

// === impl Census ===

impl Census {
    /// A census, and the task that counts.
    pub(super) fn new(
        name: String,
        broker: Arc<dyn Broker>,
        lifecycle: Lifecycle,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (changes, received) = mpsc::channel(16);
        (Self { changes }, count(name, broker, received, lifecycle))
    }

    /// Counts a source in.
    pub(super) async fn open(&self) -> Result<Presence, Closed> {
        let (answer, answered) = oneshot::channel();
        self.changes.send(Change::Opened(answer)).await.map_err(|_| Closed)?;
        answered.await.map_err(|_| Closed)?;
        Ok(Presence { changes: self.changes.clone() })
    }
}

// === impl Presence ===

impl Presence {
    /// Counts it out: everything it sent has been handed to the broker.
    pub(super) async fn close(self) {
        let _ = self.changes.send(Change::Closed).await;
    }
}

async fn count(
    name: String,
    broker: Arc<dyn Broker>,
    mut changes: mpsc::Receiver<Change>,
    lifecycle: Lifecycle,
) {
    let mut open = 0_usize;
    while let Some(change) = changes.recv().await {
        let told = match change {
            Change::Opened(answer) => {
                open += 1;
                let told = if open == 1 { note(&*broker, &name, true).await } else { Ok(()) };
                let _ = answer.send(());
                told
            }
            Change::Closed => {
                open -= 1;
                // We end, not the sources: they come back to the next process.
                if open == 0 && !lifecycle.is_draining() {
                    last_closed(&*broker, &name).await
                } else {
                    Ok(())
                }
            }
        };
        metrics::sources(open);
        if told.is_err() {
            return;
        }
    }
}

/// Only after everything is confirmed: a pack that is sent again must not come behind it.
async fn last_closed(broker: &dyn Broker, name: &str) -> Result<(), Closed> {
    broker.settled().await?;
    note(broker, name, false).await
}

async fn note(broker: &dyn Broker, name: &str, open: bool) -> Result<(), Closed> {
    broker.publish(Bytes::from(pack::write_sources(name, open))).await
}
