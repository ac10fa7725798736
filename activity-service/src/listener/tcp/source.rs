//! One event source: reads, packs, hands over. While the broker takes nothing,
//! nothing is read, and TCP holds the source back.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use chassis::lifecycle::Lifecycle;
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, sleep_until},
};

use super::{complaints::Complaints, packer::Packer};
use crate::broker::{Broker, Closed};

/// A connected source.
pub(super) struct Source {
    pub(super) peer: SocketAddr,
    pub(super) broker: Arc<dyn Broker>,
    pub(super) complaints: Arc<Complaints>,
    pub(super) pack_delay: Duration,
    pub(super) lifecycle: Lifecycle,
}

// === impl Source ===

impl Source {
    /// Reads until the source ends, or we do. Everything whole has been handed over then.
    pub(super) async fn read(&self, mut stream: TcpStream) {
        tracing::info!(source = %self.peer, "source connected");
        let mut packer = Packer::new();
        let mut due = Instant::now();
        loop {
            let was_empty = packer.is_empty();
            let full = tokio::select! {
                read = stream.read(packer.room()) => match read {
                    Ok(0) | Err(_) => break,
                    Ok(read) => {
                        packer.took(read, |malformed, length| {
                            self.complaints.about(self.peer, malformed, length);
                        });
                        if was_empty {
                            due = Instant::now() + self.pack_delay;
                        }
                        packer.is_full() || self.pack_delay.is_zero()
                    }
                },
                () = sleep_until(due), if !was_empty => true,
                () = self.lifecycle.draining() => break,
            };
            if full && self.hand_over(&mut packer).await.is_err() {
                return;
            }
        }
        if !self.lifecycle.is_draining() {
            packer.end(|malformed, length| self.complaints.about(self.peer, malformed, length));
        }
        let _ = self.hand_over(&mut packer).await;
        tracing::info!(source = %self.peer, "source gone");
    }

    async fn hand_over(&self, packer: &mut Packer) -> Result<(), Closed> {
        if packer.is_empty() {
            return Ok(());
        }
        self.broker.publish(Bytes::from(packer.take())).await
    }
}
