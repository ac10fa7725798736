//! The door for user clients: an id and a line end, then they only receive.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use chassis::lifecycle::Lifecycle;
use tokio::{
    io::AsyncReadExt as _,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};

use super::link::{Budget, Link};
use crate::relay::metrics;

/// For the id.
const HELLO: Duration = Duration::from_secs(10);
/// An id with its line end.
const HELLO_MAX: usize = 64;
/// After an error of `accept` itself, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the processor hears of clients.
#[derive(Debug)]
pub(crate) enum Movement {
    /// A client has said its id.
    Joined(u64, Arc<Link>),
    /// A connection has ended.
    Left(u64, Arc<Link>),
}

/// Accepts clients until the soft stop, and then waits for those that are there.
/// Dropped, it lets go of all of them.
pub(crate) async fn run(
    listener: Arc<TcpListener>,
    movements: mpsc::Sender<Movement>,
    (budget, places): (Arc<Budget>, Arc<Semaphore>),
    lifecycle: Lifecycle,
) {
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
            () = lifecycle.draining() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept user clients");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            metrics::client_refused("full");
            continue;
        };
        let (movements, budget) = (movements.clone(), Arc::clone(&budget));
        clients.spawn(async move {
            serve(stream, peer, movements, budget).await;
            drop(place);
        });
    }
    drop(movements);
    while clients.join_next().await.is_some() {}
}

async fn serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    movements: mpsc::Sender<Movement>,
    budget: Arc<Budget>,
) {
    let Ok(Ok(Some(id))) = timeout(HELLO, hello(&mut stream)).await else {
        metrics::client_refused("id");
        tracing::debug!(%peer, "a client did not say its id");
        return;
    };
    // What is staged goes out in one piece already.
    let _ = stream.set_nodelay(true);
    let link = Arc::new(Link::new(stream, peer, budget));
    if movements.send(Movement::Joined(id, Arc::clone(&link))).await.is_err() {
        return;
    }
    link.attend().await;
    let _ = movements.send(Movement::Left(id, link)).await;
}

/// The id, a decimal number. What comes behind its line end is dropped.
async fn hello(stream: &mut TcpStream) -> io::Result<Option<u64>> {
    let mut bytes = Vec::with_capacity(HELLO_MAX);
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
        if let Some((line, _)) = crate::relay::wire::cut(&bytes) {
            let id = std::str::from_utf8(line).ok().filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
            return Ok(id.and_then(|id| id.parse().ok()));
        }
        if bytes.len() >= HELLO_MAX {
            return Ok(None);
        }
    }
}
