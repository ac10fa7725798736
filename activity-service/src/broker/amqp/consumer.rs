//! Packs from RabbitMQ, to one consumer at a time.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use lapin::{
    Channel, Connection,
    options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{AmqpConfig, open};
use crate::broker::{BrokerError, Delivery, Packs};

/// To begin to consume, to acknowledge.
const CALL: Duration = Duration::from_secs(5);

/// A subscription. The connection lives as long.
pub(super) struct Consumer {
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
        Ok(Self { _connection: connection, channel, packs })
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
