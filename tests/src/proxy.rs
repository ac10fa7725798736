//! A TCP proxy that misbehaves on demand: in front of PostgreSQL, Redis, or the gateway.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use rand::{Rng, seq::IteratorRandom as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

/// A listener on a free port that passes bytes on, as well as it is allowed to.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    network: Arc<Network>,
    end: CancellationToken,
}

#[derive(Debug)]
struct Network {
    weather: watch::Sender<Weather>,
    connections: Mutex<Connections>,
}

#[derive(Clone, Copy, Debug)]
struct Weather {
    target: SocketAddr,
    broken: bool,
    frozen: bool,
    latency: Duration,
}

#[derive(Debug, Default)]
struct Connections {
    opened: u64,
    open: BTreeMap<u64, CancellationToken>,
}

// === impl Proxy ===

impl Proxy {
    /// A proxy that behaves, until told otherwise.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let weather = Weather { target, broken: false, frozen: false, latency: Duration::ZERO };
        let network = Arc::new(Network {
            weather: watch::Sender::new(weather),
            connections: Mutex::new(Connections::default()),
        });
        let end = CancellationToken::new();
        tokio::spawn(end.clone().run_until_cancelled_owned(accept(listener, Arc::clone(&network))));
        Ok(Self { address, network, end })
    }

    /// Where to connect instead of the target.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and every attempt at one.
    pub fn break_networking(&self) {
        self.network.weather.send_modify(|weather| weather.broken = true);
        self.cut_all();
    }

    /// Passes no more bytes; connections stay open and are accepted.
    pub fn freeze(&self) {
        self.network.weather.send_modify(|weather| weather.frozen = true);
    }

    /// Holds each packet back for so long.
    pub fn delay(&self, latency: Duration) {
        self.network.weather.send_modify(|weather| weather.latency = latency);
    }

    /// Good weather again. What was frozen flows.
    pub fn restore(&self) {
        self.network.weather.send_modify(|weather| {
            (weather.broken, weather.frozen, weather.latency) = (false, false, Duration::ZERO);
        });
    }

    /// Cuts one open connection; false when there is none.
    pub fn cut_one(&self, random: &mut impl Rng) -> bool {
        let mut connections = self.network.lock();
        let Some(id) = connections.open.keys().copied().choose(random) else { return false };
        connections.open.remove(&id).is_some_and(|token| {
            token.cancel();
            true
        })
    }

    /// Cuts every open connection; new ones are welcome.
    pub fn cut_all(&self) {
        for token in std::mem::take(&mut self.network.lock().open).into_values() {
            token.cancel();
        }
    }

    /// Connections that were accepted so far.
    pub fn opened(&self) -> u64 {
        self.network.lock().opened
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
        self.cut_all();
    }
}

// === impl Network ===

impl Network {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> (u64, CancellationToken) {
        let mut connections = self.lock();
        connections.opened += 1;
        let id = connections.opened;
        let token = CancellationToken::new();
        connections.open.insert(id, token.clone());
        (id, token)
    }
}

async fn accept(listener: TcpListener, network: Arc<Network>) {
    while let Ok((client, _)) = listener.accept().await {
        let network = Arc::clone(&network);
        tokio::spawn(async move {
            let (id, cut) = network.enter();
            let weather = network.weather.subscribe();
            // An error is an end like any other.
            let _ = cut.run_until_cancelled(connect(client, weather)).await;
            network.lock().open.remove(&id);
        });
    }
}

async fn connect(client: TcpStream, weather: watch::Receiver<Weather>) -> std::io::Result<()> {
    let now = *weather.borrow();
    if now.broken {
        return Ok(());
    }
    let server = TcpStream::connect(now.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        end = pass(from_client, to_server, weather.clone()) => end,
        end = pass(from_server, to_client, weather) => end,
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let Ok(now) = weather.wait_for(|now| !now.frozen).await.map(|now| *now) else { return Ok(()) };
        if !now.latency.is_zero() {
            sleep(now.latency).await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}
