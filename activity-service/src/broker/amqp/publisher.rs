//! Packs to RabbitMQ, confirmed in a window. What is not confirmed is kept, and
//! sent again in its order after the connection broke; a pack that arrives twice
//! by that is known by its id and by its events' places.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::{backoff::Backoff, health::Dependency, lifecycle::Lifecycle};
use futures::{StreamExt as _, stream::FuturesOrdered};
use lapin::{
    BasicProperties, Channel, Confirmation, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    time::{Instant, sleep_until, timeout},
};

use super::{AmqpConfig, BrokerError, open};
use crate::relay::pack::PackId;

/// Two: written to disk.
const PERSISTENT: u8 = 2;
/// To hand a pack to the connection.
const PUBLISH: Duration = Duration::from_secs(10);
/// Nothing confirmed for so long, and the connection is thought dead. Longer than
/// RabbitMQ blocks publishers for an ordinary burst.
const CONFIRM: Duration = Duration::from_secs(30);

/// A pack that the broker has not confirmed, and the room that it takes.
#[derive(Debug)]
pub(super) struct Unconfirmed {
    pub(super) id: PackId,
    pub(super) body: Bytes,
    pub(super) _room: OwnedSemaphorePermit,
}

/// What outlives a connection, and a restart of the task.
#[derive(Debug)]
pub(super) struct State {
    packs: mpsc::Receiver<Unconfirmed>,
    unconfirmed: VecDeque<Unconfirmed>,
}

// === impl State ===

impl State {
    pub(super) const fn new(packs: mpsc::Receiver<Unconfirmed>) -> Self {
        Self { packs, unconfirmed: VecDeque::new() }
    }
}

/// Publishes until the soft stop, and then what is left until everything is confirmed.
pub(super) async fn run(
    config: Arc<AmqpConfig>,
    state: Arc<Mutex<State>>,
    dependency: Dependency,
    lifecycle: Lifecycle,
) {
    let mut state = state.lock().await;
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    loop {
        let Err(error) = publish(&config, &mut state, &dependency, &mut backoff).await else { return };
        dependency.down(error.to_string());
        tracing::warn!(%error, unconfirmed = state.unconfirmed.len(), "cannot publish, will again");
        let delay = backoff.next_delay(&mut rand::rng());
        tokio::time::sleep(delay).await;
        if lifecycle.is_draining() && state.unconfirmed.is_empty() && state.packs.is_empty() {
            return;
        }
    }
}

async fn publish(
    config: &AmqpConfig,
    state: &mut State,
    dependency: &Dependency,
    backoff: &mut Backoff,
) -> Result<(), BrokerError> {
    // Both live as long as this does.
    let (_connection, channel) = open(config, "relay listener").await?;
    timeout(PUBLISH, channel.confirm_select(ConfirmSelectOptions::default()))
        .await
        .map_err(|_| BrokerError::Timeout)??;
    dependency.up();
    let mut confirms = FuturesOrdered::new();
    for pack in &state.unconfirmed {
        confirms.push_back(send(&channel, config, pack).await?);
    }
    let mut patience = Instant::now() + CONFIRM;
    loop {
        tokio::select! {
            Some(confirmation) = confirms.next() => {
                match confirmation? {
                    // A message within means that no queue would have it.
                    Confirmation::Ack(None) => {}
                    _ => return Err(BrokerError::Refused),
                }
                // Its room is free again.
                state.unconfirmed.pop_front();
                backoff.reset();
                patience = Instant::now() + CONFIRM;
            }
            () = sleep_until(patience), if !confirms.is_empty() => return Err(BrokerError::Timeout),
            pack = state.packs.recv() => {
                let Some(pack) = pack else {
                    if confirms.is_empty() {
                        return Ok(());
                    }
                    continue;
                };
                if confirms.is_empty() {
                    patience = Instant::now() + CONFIRM;
                }
                // First kept, then sent: whatever happens it is sent again.
                state.unconfirmed.push_back(pack);
                if let Some(pack) = state.unconfirmed.back() {
                    confirms.push_back(send(&channel, config, pack).await?);
                }
            }
        }
    }
}

async fn send(
    channel: &Channel,
    config: &AmqpConfig,
    pack: &Unconfirmed,
) -> Result<PublisherConfirm, BrokerError> {
    let properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_message_id(pack.id.to_string().into());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let publish =
        channel.basic_publish("".into(), config.queue.as_str().into(), options, &pack.body, properties);
    Ok(timeout(PUBLISH, publish).await.map_err(|_| BrokerError::Timeout)??)
}
