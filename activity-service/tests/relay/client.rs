//! A user client that keeps what it is told.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};

/// A connected client; its bytes are read in the background.
pub(crate) struct Client {
    bytes: Arc<Mutex<Vec<u8>>>,
    task: JoinHandle<()>,
}

// === impl Client ===

impl Client {
    /// Connects and says its id.
    pub(crate) async fn connect(address: SocketAddr, id: u64) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("the processor accepts");
        stream.write_all(format!("{id}\r\n").as_bytes()).await.expect("written");
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&bytes);
        let task = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                kept.lock().extend_from_slice(&buffer[..read]);
            }
        });
        Self { bytes, task }
    }

    /// What it was told up to now.
    pub(crate) fn told(&self) -> Vec<u8> {
        self.bytes.lock().clone()
    }

    /// How many bytes that are.
    pub(crate) fn length(&self) -> usize {
        self.bytes.lock().len()
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}
