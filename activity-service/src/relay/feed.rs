//! Packs for the processor, from a broker that may come and go.

use std::{sync::Arc, time::Duration};

use chassis::{backoff::Backoff, health::Dependency};
use tokio::sync::mpsc;

use crate::broker::{Broker, BrokerError, Delivery, Packs};

/// What the processor hears.
#[derive(Debug)]
pub(crate) enum Fed {
    /// Tags count anew: what was not acknowledged comes again.
    Subscribed(u64),
    /// A pack.
    Pack(Delivery),
}

/// An acknowledgement: of everything up to a tag of one subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acknowledge {
    pub(crate) subscription: u64,
    pub(crate) tag: u64,
}

/// Feeds until the processor lets go of its ends; begins after `grace`.
pub(crate) async fn run(
    broker: Arc<dyn Broker>,
    fed: mpsc::Sender<Fed>,
    mut acknowledgements: mpsc::Receiver<Acknowledge>,
    dependency: Dependency,
    grace: Duration,
) {
    tokio::time::sleep(grace).await;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    let mut subscription = 0;
    while !fed.is_closed() {
        let error = match broker.subscribe().await {
            Ok(mut packs) => {
                dependency.up();
                backoff.reset();
                subscription += 1;
                match feed(&mut *packs, subscription, &fed, &mut acknowledgements).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        dependency.down(error.to_string());
        tracing::warn!(%error, "no packs from the broker, will ask again");
        let delay = backoff.next_delay(&mut rand::rng());
        tokio::time::sleep(delay).await;
    }
}

async fn feed(
    packs: &mut dyn Packs,
    subscription: u64,
    fed: &mpsc::Sender<Fed>,
    acknowledgements: &mut mpsc::Receiver<Acknowledge>,
) -> Result<(), BrokerError> {
    if fed.send(Fed::Subscribed(subscription)).await.is_err() {
        return Ok(());
    }
    loop {
        // Taken only when the processor has room, so that acknowledgements never wait behind a pack.
        tokio::select! {
            biased;
            acknowledge = acknowledgements.recv() => match acknowledge {
                Some(acknowledge) if acknowledge.subscription == subscription => {
                    packs.acknowledge(acknowledge.tag).await?;
                }
                Some(_) => {}
                None => return Ok(()),
            },
            room = fed.reserve() => {
                let Ok(room) = room else { return Ok(()) };
                tokio::select! {
                    biased;
                    acknowledge = acknowledgements.recv() => match acknowledge {
                        Some(acknowledge) if acknowledge.subscription == subscription => {
                            packs.acknowledge(acknowledge.tag).await?;
                        }
                        Some(_) => {}
                        None => return Ok(()),
                    },
                    delivery = packs.next() => room.send(Fed::Pack(delivery?)),
                }
            }
        }
    }
}
