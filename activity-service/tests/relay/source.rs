//! An event source.

use std::net::SocketAddr;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

/// A connected source.
pub(crate) struct Source {
    stream: TcpStream,
}

// === impl Source ===

impl Source {
    /// Connects.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the listener accepts");
        stream.set_nodelay(true).expect("a socket");
        Self { stream }
    }

    /// Writes bytes in pieces of any size, so that lines are cut anywhere.
    pub(crate) async fn send_split(&mut self, bytes: &[u8], seed: u64) {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut rest = bytes;
        while !rest.is_empty() {
            let most = if rng.random_ratio(1, 10) { 5 } else { 20_000 };
            let (piece, others) = rest.split_at(rng.random_range(1..=most).min(rest.len()));
            self.stream.write_all(piece).await.expect("written");
            rest = others;
        }
    }

    /// Writes bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("written");
    }

    /// Writes what is taken at once.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes).await
    }
}
