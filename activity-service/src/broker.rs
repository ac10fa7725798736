//! What stands between listeners and processor: takes packs, keeps them in
//! order, and gives them out until they are acknowledged.
//!
//! Two implementations: [`amqp`], RabbitMQ, where what was confirmed survives any
//! of us; and [`memory`], a bounded queue within the process, which promises
//! nothing beyond it.

pub(crate) mod amqp;
pub(crate) mod memory;

use bytes::Bytes;
use futures::future::BoxFuture;

use crate::relay::pack::PackId;

/// Both ends of the queue.
pub(crate) trait Broker: Send + Sync + 'static {
    /// Takes a pack. Returns when there is room for the next one: what is not yet
    /// confirmed has a bound, and who waits here reads no more from its source.
    fn publish(&self, body: Bytes) -> BoxFuture<'_, Result<(), Closed>>;

    /// Returns when everything taken so far is confirmed.
    fn settled(&self) -> BoxFuture<'_, Result<(), Closed>>;

    /// Begins to give out packs: those that were not acknowledged first.
    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Packs>, BrokerError>>;
}

/// Packs in the order of the queue, to one consumer at a time.
pub(crate) trait Packs: Send {
    /// The next one. May be dropped while it waits: none is lost by that.
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, BrokerError>>;

    /// Acknowledges everything up to a tag.
    fn acknowledge(&mut self, tag: u64) -> BoxFuture<'_, Result<(), BrokerError>>;
}

/// A pack that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Rises within a subscription.
    pub(crate) tag: u64,
    /// The pack's own identity.
    pub(crate) id: PackId,
    /// What is in it.
    pub(crate) body: Bytes,
}

/// The process ends: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker takes nothing any more")]
pub(crate) struct Closed;

/// The broker cannot be used right now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// RabbitMQ said so, or is not there.
    #[error("RabbitMQ: {0}")]
    Amqp(#[from] lapin::Error),
    /// It did not answer in time.
    #[error("RabbitMQ does not answer")]
    Timeout,
    /// The subscription has ended.
    #[error("the subscription has ended")]
    Ended,
    /// A pack was refused, or no queue would have it.
    #[error("a pack was not taken")]
    Refused,
}
