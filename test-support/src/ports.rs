//! Loopback ports for servers of tests, which must be found again after a restart.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    ops::Range,
};

use rand::Rng as _;

/// Below the ports that systems give to outgoing connections (from 32,768), so that
/// a port stays free while its server is down; from 20,000 on the scripts take theirs.
const RANGE: Range<u16> = 10_000..20_000;
/// So many of [`RANGE`] are tried.
const TRIES: usize = 200;

/// An address that nobody listens on, and that no other call gives away while this process lives:
/// neither here nor in the processes of the tests that run at the same time.
///
/// # Panics
///
/// Where no port of the range is free.
#[must_use]
pub fn free() -> SocketAddr {
    let mut tries = (0..TRIES).map(|_| reserve(rand::rng().random_range(RANGE)));
    tries.find_map(Result::ok).expect("a free port on 127.0.0.1")
}

/// The sign of the reservation is the UDP port of the same number: nothing else wants it, and the
/// system gives it back when the process ends, however it ends.
fn reserve(port: u16) -> io::Result<SocketAddr> {
    let sign = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr()?;
    std::mem::forget(sign);
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_away_once() {
        let address = free();
        // Its server may come and go.
        drop(TcpListener::bind(address).unwrap());
        assert_eq!(reserve(address.port()).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_port_with_a_server_is_not_given_away_and_not_kept() {
        let mut servers = RANGE.filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
        let server = servers.next().unwrap();
        let port = server.local_addr().unwrap().port();
        assert_eq!(reserve(port).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(server);
        reserve(port).unwrap();
    }
}
