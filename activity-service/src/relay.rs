//! The ordered relay: events from sources, in order, to the users they concern.
//!
//! The life of one event. A source writes a line to the listener
//! ([`crate::listener::tcp`]), which sorts out what is malformed and packs the
//! rest for the [`crate::broker`]. The [`processor`] that leads takes packs out,
//! puts events in order ([`crate::sequencer`]), keeps who follows whom
//! ([`followers`]), and copies each line into the stages of those it concerns
//! ([`route`], [`clients`]). Every stage is written once per block of input.
//! From time to time position and graph are kept in the database together
//! ([`snapshot`], [`keep`]), and then the packs that they hold are acknowledged.

mod clients;
pub mod config;
mod engine;
mod feed;
mod followers;
mod keep;
mod leader;
pub(crate) mod metrics;
pub(crate) mod pack;
mod processor;
mod route;
mod snapshot;
mod store;
pub(crate) mod wire;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use chassis::{fault::Fault, lifecycle::Lifecycle, postgres::Pool};
use tokio::{
    net::TcpListener,
    sync::{Mutex, Semaphore},
};

pub use self::config::{OnClose, RelayConfig, RelayConfigError, RelayRole, RelaySettings};
use self::{processor::Processor, store::RelayStore};
use crate::{
    broker::{Broker, amqp::AmqpBroker, memory::MemoryBroker},
    listener::tcp::{self, TcpSettings},
};

/// How long lines may wait to fill a pack for RabbitMQ.
const PACK_DELAY: Duration = Duration::from_millis(5);

/// The sockets, bound by the caller; those that the role has no use for may be absent.
#[derive(Debug, Default)]
pub struct RelayListeners {
    /// For event sources.
    pub sources: Option<TcpListener>,
    /// For user clients.
    pub clients: Option<TcpListener>,
}

impl RelayListeners {
    /// Binds what the role needs, where the settings say.
    pub async fn bind(settings: &RelaySettings) -> std::io::Result<Self> {
        let mut listeners = Self::default();
        if settings.role.listens() {
            listeners.sources = Some(TcpListener::bind(settings.source_listen).await?);
        }
        if settings.role.processes() {
            listeners.clients = Some(TcpListener::bind(settings.client_listen).await?);
        }
        Ok(listeners)
    }

    /// Where they listen.
    pub fn addresses(&self) -> std::io::Result<RelayAddresses> {
        let of = |listener: &Option<TcpListener>| listener.as_ref().map(TcpListener::local_addr).transpose();
        Ok((of(&self.sources)?, of(&self.clients)?))
    }
}

/// Where sources and user clients connect; none: not here.
pub type RelayAddresses = (Option<SocketAddr>, Option<SocketAddr>);

/// Starts the relay's parts on `lifecycle`; they end with it.
pub fn run(config: RelayConfig, listeners: RelayListeners, pool: Pool, lifecycle: &Lifecycle) {
    if config.role == RelayRole::Off {
        return;
    }
    metrics::describe();
    let config = Arc::new(config);
    let broker: Arc<dyn Broker> = match &config.amqp {
        Some(amqp) if config.role.listens() => {
            let publisher = lifecycle.health().dependency("relay publisher");
            Arc::new(AmqpBroker::start(amqp.clone(), publisher, lifecycle))
        }
        Some(amqp) => Arc::new(AmqpBroker::consuming(amqp.clone())),
        None => Arc::new(MemoryBroker::new()),
    };
    if let Some(sources) = listeners.sources.filter(|_| config.role.listens()) {
        listen(&config, Arc::new(sources), Arc::clone(&broker), lifecycle);
    }
    if let Some(clients) = listeners.clients.filter(|_| config.role.processes()) {
        let health = lifecycle.health();
        let processor = Arc::new(Processor {
            store: config.is_kept().then(|| RelayStore::new(pool)),
            places: Arc::new(Semaphore::new(config.max_clients)),
            config,
            broker,
            clients: Arc::new(clients),
            feed: health.dependency("relay packs"),
            lead: health.dependency("relay leader"),
            turn: Mutex::new(()),
            lifecycle: lifecycle.clone(),
        });
        lifecycle.supervise("relay-processor", move || {
            let processor = Arc::clone(&processor);
            async move { processor.run().await }
        });
    }
}

/// Forgets position and followers, so that the next stream begins with 1. A
/// processor that leads notices within a second.
pub async fn reset(pool: impl Into<Pool>) -> Result<(), Fault> {
    keep::reset(&RelayStore::new(pool)).await
}

fn listen(config: &RelayConfig, sources: Arc<TcpListener>, broker: Arc<dyn Broker>, lifecycle: &Lifecycle) {
    let settings = TcpSettings {
        name: config.listener_name.clone(),
        max_sources: config.max_sources,
        pack_delay: if config.amqp.is_some() { PACK_DELAY } else { Duration::ZERO },
    };
    let until = lifecycle.clone();
    lifecycle.supervise("relay-listener", move || {
        tcp::run(Arc::clone(&sources), Arc::clone(&broker), settings.clone(), until.clone())
    });
}
