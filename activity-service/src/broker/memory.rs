//! The broker of a single process: a bounded queue.

use std::sync::Arc;

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use uuid::Uuid;

use super::{Broker, BrokerError, Closed, Delivery, Packs};
use crate::relay::metrics;

/// Packs in the queue; at 64 KiB each these are 4 MiB.
const CAPACITY: usize = 64;

/// A queue in memory. Clones are the same queue.
#[derive(Clone, Debug)]
pub(crate) struct MemoryBroker {
    sender: mpsc::Sender<Bytes>,
    receiver: Arc<Mutex<mpsc::Receiver<Bytes>>>,
}

struct MemoryPacks {
    receiver: OwnedMutexGuard<mpsc::Receiver<Bytes>>,
    tag: u64,
}

// === impl MemoryBroker ===

impl MemoryBroker {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        Self { sender, receiver: Arc::new(Mutex::new(receiver)) }
    }
}

impl Broker for MemoryBroker {
    fn publish(&self, body: Bytes) -> BoxFuture<'_, Result<(), Closed>> {
        async move { self.sender.send(body).await.map_err(|_| Closed) }.boxed()
    }

    fn settled(&self) -> BoxFuture<'_, Result<(), Closed>> {
        std::future::ready(Ok(())).boxed()
    }

    fn subscribe(&self) -> BoxFuture<'_, Result<Box<dyn Packs>, BrokerError>> {
        async move {
            let receiver = Arc::clone(&self.receiver).lock_owned().await;
            Ok(Box::new(MemoryPacks { receiver, tag: 0 }) as Box<dyn Packs>)
        }
        .boxed()
    }
}

// === impl MemoryPacks ===

impl Packs for MemoryPacks {
    fn next(&mut self) -> BoxFuture<'_, Result<Delivery, BrokerError>> {
        async move {
            let body = self.receiver.recv().await.ok_or(BrokerError::Ended)?;
            metrics::queue(self.receiver.len());
            self.tag += 1;
            // Nothing comes again here, so any number is a good identity.
            Ok(Delivery { tag: self.tag, id: Uuid::new_v4(), body })
        }
        .boxed()
    }

    fn acknowledge(&mut self, _tag: u64) -> BoxFuture<'_, Result<(), BrokerError>> {
        std::future::ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn the_queue_is_in_order_and_a_full_one_makes_the_publisher_wait() {
        let broker = MemoryBroker::new();
        for number in 0..CAPACITY {
            broker.publish(Bytes::from(number.to_string())).await.expect("room");
        }
        let mut late = broker.publish(Bytes::from_static(b"late"));
        assert!(futures::poll!(&mut late).is_pending());
        let mut packs = broker.subscribe().await.expect("free");
        for number in 0..CAPACITY {
            assert_eq!(packs.next().await.expect("there").body, number.to_string());
        }
        assert!(matches!(futures::poll!(&mut late), Poll::Ready(Ok(()))));
    }
}
