//! Packs from RabbitMQ, to one consumer at a time.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use lapin::{
    Channel, Connection,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions},
    types::FieldTable,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{AmqpConfig, open};
use crate::{
    broker::{BrokerError, Delivery, Packs},
    relay::metrics,
};

/// To begin to consume, to acknowledge.
const CALL: Duration = Duration::from_secs(5);

/// Between two looks at the queue's length.
const LOOK: Duration = Duration::from_secs(2);

/// A subscription. The connection lives as long.
pub(super) struct Consumer {
    /// Watches the queue's length; ends with this.
    _watch: JoinSet<()>,
    _connection: Connection,
    channel: Channel,
    packs: lapin::Consumer,
}

// === impl Consumer ===

impl Consumer {
    pub(super) async fn subscribe(config: &AmqpConfig) -> Result<Self, BrokerError> {
        let (connection, channel) = open(config, "relay processor").await?;
        let consume = async {
            // What the server may send ahead; the client keeps it in memory.
            channel.basic_qos(config.prefetch, BasicQosOptions::default()).await?;
            // Exclusive: while another processor still holds the queue, this fails and is tried again.
            let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
            channel
                .basic_consume(config.queue.as_str().into(), "".into(), options, FieldTable::default())
                .await
        };
        let packs = timeout(CALL, consume).await.map_err(|_| BrokerError::Timeout)??;
        let mut watch = JoinSet::new();
        watch.spawn(watch_length(channel.clone(), config.queue.clone()));
        Ok(Self { _watch: watch, _connection: connection, channel, packs })
    }
}

impl Packs for Consumer {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, BrokerError>> {
        async move {
            let delivery = self.packs.next().await.ok_or(BrokerError::Ended)??;
            let id =
                delivery.properties.message_id().as_ref().and_then(|id| Uuid::parse_str(id.as_str()).ok());
            Ok(Delivery {
                tag: delivery.delivery_tag,
                // Something else has published it: what is in it is told apart by its events' places.
                id: id.unwrap_or_else(Uuid::new_v4),
                body: Bytes::from(delivery.data),
            })
        }
        .boxed()
    }

    fn acknowledge(&mut self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>> {
        async move {
            let acknowledge = self.channel.basic_ack(tag, BasicAckOptions { multiple: true });
            Ok(timeout(CALL, acknowledge).await.map_err(|_| BrokerError::Timeout)??)
        }
        .boxed()
    }
}

/// Tells how many packs wait in the queue, as long as the channel is there.
async fn watch_length(channel: Channel, queue: String) {
    loop {
        sleep(LOOK).await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
        match timeout(CALL, asked).await {
            Ok(Ok(queue)) => metrics::queue(queue.message_count() as usize),
            _ => return,
        }
    }
}
