//! Names to addresses.

use std::{io, net::IpAddr};

use futures::{FutureExt as _, future::BoxFuture};
use tokio::sync::Semaphore;

/// Names that are looked up at once: each holds a thread.
const AT_ONCE: usize = 32;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync + 'static {
    /// All of them; the caller bounds the time.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
#[derive(Debug)]
pub struct SystemResolver {
    turn: Semaphore,
}

// === impl SystemResolver ===

impl Default for SystemResolver {
    fn default() -> Self {
        Self { turn: Semaphore::new(AT_ONCE) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move {
            let _turn = self.turn.acquire().await.map_err(io::Error::other)?;
            Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
        }
        .boxed()
    }
}
