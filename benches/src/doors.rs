//! Several addresses of one server: what a number of endpoints costs a client, when nothing else changes.
//! Several servers would share the machine's cores and caches besides.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Listeners on free ports that pass every byte on to one server; dropping them closes all connections.
#[derive(Debug)]
pub struct Doors {
    addresses: Vec<SocketAddr>,
    /// None of them ends unless something is wrong.
    accepting: JoinSet<Result<()>>,
}

// === impl Doors ===

impl Doors {
    /// Opens so many.
    pub async fn open(count: usize, server: SocketAddr) -> Result<Self> {
        let (mut addresses, mut accepting) = (Vec::with_capacity(count), JoinSet::new());
        for _ in 0..count {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            addresses.push(listener.local_addr()?);
            accepting.spawn(accept(listener, server));
        }
        Ok(Self { addresses, accepting })
    }

    /// Where they are.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Closes them; an error when one was closed before.
    pub fn close(mut self) -> Result<()> {
        match self.accepting.try_join_next() {
            None => Ok(()),
            Some(ended) => ended?.context("an address was gone during the run"),
        }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr) -> Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        connections.spawn(pass_on(client, server));
        // Those that have ended.
        while connections.try_join_next().is_some() {}
    }
}

async fn pass_on(mut client: TcpStream, server: SocketAddr) -> Result<()> {
    let mut server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
