//! Event sources over TCP: lines in, packs to the broker.

mod census;
mod complaints;
mod packer;
mod source;

use std::{sync::Arc, time::Duration};

use chassis::lifecycle::Lifecycle;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use self::{census::Census, complaints::Complaints, source::Source};
use crate::{broker::Broker, relay::metrics};

/// After an error of `accept` itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// To hand over what was read, when the process ends.
const FAREWELL: Duration = Duration::from_secs(4);

/// How sources are taken in.
#[derive(Clone, Debug)]
pub(crate) struct TcpSettings {
    /// Under which name this listener says whether it has sources.
    pub(crate) name: String,
    /// Sources at once.
    pub(crate) max_sources: usize,
    /// How long lines may wait for others to fill a pack.
    pub(crate) pack_delay: Duration,
}

/// Accepts sources until the soft stop; then reads no more, hands over what was
/// read and waits until the broker has confirmed it.
pub(crate) async fn run(
    listener: Arc<TcpListener>,
    broker: Arc<dyn Broker>,
    settings: TcpSettings,
    lifecycle: Lifecycle,
) {
    let places = Arc::new(Semaphore::new(settings.max_sources));
    let complaints = Arc::new(Complaints::default());
    let mut tasks = JoinSet::new();
    let (census, counting) = Census::new(settings.name, Arc::clone(&broker), lifecycle.clone());
    tasks.spawn(counting);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a source's task died");
                }
                continue;
            }
            () = lifecycle.draining() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept event sources");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics::source_refused();
            tracing::warn!(%peer, "too many sources: one was sent away");
            continue;
        };
        let source = Source {
            peer,
            broker: Arc::clone(&broker),
            complaints: Arc::clone(&complaints),
            pack_delay: settings.pack_delay,
            lifecycle: lifecycle.clone(),
        };
        let census = census.clone();
        tasks.spawn(async move {
            // Said before its first pack, and taken back after its last.
            if let Ok(presence) = census.open().await {
                source.read(stream).await;
                presence.close().await;
            }
            drop(place);
        });
    }
    drop(census);
    let handed_over = async {
        while tasks.join_next().await.is_some() {}
        let _ = broker.settled().await;
    };
    // What the broker does not take by then, sources must send again.
    if timeout(FAREWELL, handed_over).await.is_err() {
        tracing::warn!("the broker has not confirmed everything that was read");
    }
}
