//! The clients: each reads, counts and sums what it is told, until that is all.

use std::{cell::RefCell, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{TryStreamExt as _, stream::FuturesUnordered};
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::sum::Sum;
use crate::http_client::HttpClient;

/// What is read at once; one room for all clients, which stays in the cache.
const READ: usize = 64 * 1024;
/// No client may hear nothing for so long.
const SILENCE: Duration = Duration::from_secs(30);

thread_local! {
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// Connected clients.
#[derive(Debug)]
pub struct Crowd {
    clients: Vec<Listener>,
}

#[derive(Debug)]
struct Listener {
    id: usize,
    socket: TcpStream,
    expected: Sum,
}

// === impl Crowd ===

impl Crowd {
    /// Connects a client for each that is expected, and waits until the service knows them.
    pub async fn connect(address: SocketAddr, admin: SocketAddr, expected: &[Sum]) -> Result<Self> {
        let deadline = Instant::now() + SILENCE;
        let mut clients = Vec::with_capacity(expected.len());
        for (place, expected) in expected.iter().enumerate() {
            let mut socket = connect(address, deadline).await?;
            socket.write_all(format!("{}\n", place + 1).as_bytes()).await?;
            clients.push(Listener { id: place + 1, socket, expected: *expected });
        }
        while connected(admin).await.unwrap_or(0) < clients.len() {
            ensure!(Instant::now() < deadline, "the service does not take all clients");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { clients })
    }

    /// Reads until every client has been told everything.
    pub async fn hear(self) -> Result<()> {
        let clients: FuturesUnordered<_> = self.clients.into_iter().map(Listener::hear).collect();
        clients.try_collect::<()>().await
    }
}

// === impl Listener ===

impl Listener {
    async fn hear(self) -> Result<()> {
        let mut heard = Sum::default();
        while heard.length < self.expected.length {
            let ready = timeout(SILENCE, self.socket.readable()).await;
            ready.with_context(|| {
                format!("client {} hears nothing, after {} bytes", self.id, heard.length)
            })??;
            loop {
                let read = ROOM.with_borrow_mut(|room| {
                    let read = self.socket.try_read(room)?;
                    heard.add(&room[..read]);
                    Ok::<_, std::io::Error>(read)
                });
                match read {
                    Ok(0) => bail!("client {} was dropped after {} bytes", self.id, heard.length),
                    Ok(read) if read < READ => break,
                    Ok(_) => tokio::task::consume_budget().await,
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        ensure!(heard == self.expected, "client {} was told something else", self.id);
        Ok(())
    }
}

/// A connection, as soon as somebody listens.
async fn connect(address: SocketAddr, deadline: Instant) -> Result<TcpStream> {
    loop {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connected(admin: SocketAddr) -> Result<usize> {
    let mut client = HttpClient::connect(admin).await?;
    let answer = client.call(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let text = String::from_utf8_lossy(answer.body);
    let line = text.lines().find(|line| line.starts_with("relay_clients{"));
    Ok(line.and_then(|line| line.rsplit(' ').next()).and_then(|count| count.parse().ok()).unwrap_or(0))
}
