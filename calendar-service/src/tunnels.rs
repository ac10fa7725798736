//! The seam between `TunnelService.CloseTunnels` and whoever keeps the sockets.

use futures::{FutureExt as _, future::BoxFuture};

/// Keeps sockets that came through gateways.
pub trait Tunnels: Send + Sync + 'static {
    /// Says goodbye (going_away, close 1012) on every socket that came through
    /// this gateway; answers how many there were.
    fn close_tunnels(&self, gateway_id: &str) -> BoxFuture<'static, u32>;
}

/// Keeps no sockets: for a process, or a test, that serves gRPC alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTunnels;

impl Tunnels for NoTunnels {
    fn close_tunnels(&self, _gateway_id: &str) -> BoxFuture<'static, u32> {
        async { 0 }.boxed()
    }
}
