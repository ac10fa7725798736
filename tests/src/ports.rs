//! Free loopback ports, for servers that must be found again after a restart.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Result, bail};
use rand::Rng as _;

/// An address that nobody listens on. Below the range from which systems take
/// the ports of outgoing connections, so that it stays free while its server is down.
pub fn free() -> Result<SocketAddr> {
    for _ in 0..200 {
        let port = rand::rng().random_range(10_000..32_000);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no free port on 127.0.0.1")
}
