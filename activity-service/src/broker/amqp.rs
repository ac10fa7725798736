//! RabbitMQ: a durable queue of persistent packs.
//!
//! Publisher and consumer have a connection each, so that a publisher held back
//! by the server does not hold back acknowledgements. Neither uses the client's
//! own recovery: after any error the connection is dropped and a new one made,
//! what is unconfirmed is sent again, and what is unacknowledged comes again.

mod consumer;
mod publisher;

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::{health::Dependency, lifecycle::Lifecycle};
use futures::{FutureExt as _, future::BoxFuture};
use lapin::{
    Channel, Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    time::timeout,
};
use uuid::Uuid;

use self::publisher::Unconfirmed;
use super::{Broker, BrokerError, Closed, Packs};

/// To connect, to open a channel, to declare the queue.
const SETUP: Duration = Duration::from_secs(5);
/// Seconds: a peer that says nothing for two of these is gone.
const HEARTBEAT: u16 = 5;

/// Where RabbitMQ is and how it is used.
#[derive(Clone)]
pub(crate) struct AmqpConfig {
    /// Holds a password.
    pub(crate) uri: AMQPUri,
    /// The queue.
    pub(crate) queue: String,
    /// Replicated over a cluster, or not.
    pub(crate) quorum: bool,
    /// Packs that are given out and not acknowledged.
    pub(crate) prefetch: u16,
    /// Bytes that are published and not confirmed.
    pub(crate) unconfirmed: usize,
}

/// RabbitMQ as a [`Broker`].
pub(crate) struct AmqpBroker {
    config: Arc<AmqpConfig>,
    /// To the publisher, where there is one.
    outgoing: mpsc::Sender<Unconfirmed>,
    /// A permit is a kibibyte that is not confirmed.
    window: Arc<Semaphore>,
    permits: u32,
}

// === impl AmqpConfig ===

impl fmt::Debug for AmqpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = format!("{}:{}", self.uri.authority.host, self.uri.authority.port);
        f.debug_struct("AmqpConfig")
            .field("address", &address)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

// === impl AmqpBroker ===

impl AmqpBroker {
    /// A broker that is only taken from: what is published to it is refused.
    pub(crate) fn consuming(config: AmqpConfig) -> Self {
        Self::new(Arc::new(config)).0
    }

    /// A broker whose publisher runs on `lifecycle`; `dependency` tells whether
    /// the server is there.
    pub(crate) fn start(config: AmqpConfig, dependency: Dependency, lifecycle: &Lifecycle) -> Self {
        let config = Arc::new(config);
        let (broker, packs) = Self::new(Arc::clone(&config));
        let state = Arc::new(Mutex::new(publisher::State::new(packs)));
        let until = lifecycle.clone();
        lifecycle.supervise("relay-publisher", move || {
            publisher::run(Arc::clone(&config), Arc::clone(&state), dependency.clone(), until.clone())
        });
        broker
    }

    fn new(config: Arc<AmqpConfig>) -> (Self, mpsc::Receiver<Unconfirmed>) {
        let (outgoing, packs) = mpsc::channel(16);
        let permits = (config.unconfirmed / 1024).clamp(256, Semaphore::MAX_PERMITS) as u32;
        (Self { config, outgoing, window: Arc::new(Semaphore::new(permits as usize)), permits }, packs)
    }
}

impl Broker for AmqpBroker {
    fn publish(&self, body: Bytes) -> BoxFuture<'_, Result<(), Closed>> {
        async move {
            let size = (body.len().div_ceil(1024) as u32).min(self.permits);
            let room = Arc::clone(&self.window).acquire_many_owned(size).await.map_err(|_| Closed)?;
            let free = self.window.available_permits();
            crate::relay::metrics::unconfirmed((self.permits as usize - free) * 1024);
            let pack = Unconfirmed { id: Uuid::now_v7(), body, _room: room };
            self.outgoing.send(pack).await.map_err(|_| Closed)
        }
        .boxed()
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), Closed>> {
        async move { self.window.acquire_many(self.permits).await.map(drop).map_err(|_| Closed) }.boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Packs>, BrokerError>> {
        async move {
            let consumer = consumer::Consumer::subscribe(&self.config).await?;
            Ok(Box::new(consumer) as Box<dyn Packs>)
        }
        .boxed()
    }
}

/// A connection with a channel, and the queue declared.
async fn open(config: &AmqpConfig, name: &str) -> Result<(Connection, Channel), BrokerError> {
    let mut uri = config.uri.clone();
    uri.query.heartbeat.get_or_insert(HEARTBEAT);
    let setup = async {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connection = Connection::connect_uri(uri, properties).await?;
        let channel = connection.create_channel().await?;
        declare(&channel, config).await?;
        Ok((connection, channel))
    };
    timeout(SETUP, setup).await.unwrap_or(Err(BrokerError::Timeout))
}

async fn declare(channel: &Channel, config: &AmqpConfig) -> Result<(), BrokerError> {
    let mut arguments = FieldTable::default();
    if config.quorum {
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare(config.queue.as_str().into(), options, arguments).await?;
    crate::relay::metrics::queue(queue.message_count() as usize);
    Ok(())
}
