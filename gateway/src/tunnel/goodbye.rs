//! The end of a gateway, as its sockets see it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::Tunnels;
use crate::upstream::Upstream;

/// The second in which the gateway still answers: who is told to go reconnects
/// after it, elsewhere.
const LAME_DUCK: Duration = Duration::from_secs(1);
/// How long the instances of calendar-service have to write 1012 on every socket.
const PATIENCE: Duration = Duration::from_secs(4);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Waits for the drain, ends long polls, has every socket closed with 1012,
/// and cuts what is left.
pub(super) async fn say(tunnels: Arc<Tunnels>, upstream: Upstream) {
    tunnels.lifecycle.draining().await;
    sleep(LAME_DUCK).await;
    tunnels.closing.cancel();
    let until = Instant::now() + PATIENCE;
    while tunnels.open() > 0 && Instant::now() < until {
        // Again and again: a tunnel that was being made when the last call
        // came has to hear it too.
        let closed = upstream.close_tunnels(&tunnels.gateway_id).await;
        tracing::info!(closed, "sockets were told that this gateway goes");
        sleep(ASK_AGAIN).await;
    }
    if tunnels.open() > 0 {
        tracing::warn!(open = tunnels.open(), "cutting sockets that did not end");
    }
    tunnels.cut.cancel();
}
