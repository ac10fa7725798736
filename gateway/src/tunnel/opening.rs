//! Opening a socket: a handshake with one instance, and with another one where
//! the first has just gone and nobody has noticed yet. A handshake may be
//! repeated: a socket with nobody at its other end is none.

use std::time::Duration;

use axum::{body::Body, response::Response};
use chassis::fault::Fault;
use http::{HeaderMap, Method, uri::PathAndQuery};
use tokio::time::{sleep, timeout};

use super::{Tunnels, listener::SocketListener, onward};
use crate::{
    problem::Problem,
    upstream::{pool::Chosen, retry},
};

/// The listener answers a handshake at once or not at all.
const HANDSHAKE: Duration = Duration::from_secs(2);

/// The instance that answered, and what.
type Opened = (Chosen<SocketListener>, Response);

/// Why there is no answer.
enum Missed {
    /// There never was a connection, or it broke: another instance may be asked.
    Away(Problem),
    /// As good as late already.
    Late(Problem),
}

// === impl Tunnels ===

impl Tunnels {
    /// A handshake with the instance for a new socket.
    pub(super) async fn open_anywhere(
        &self,
        path: PathAndQuery,
        headers: HeaderMap,
    ) -> Result<Opened, Problem> {
        self.budget.earn();
        self.ready().await?;
        let first = self.listeners.choose(true, None).ok_or_else(|| Fault::unavailable("the room"))?;
        let avoid = first.member().authority().clone();
        let missed = match self.shake_hands(first, path.clone(), headers.clone()).await {
            Err(Missed::Away(problem)) if self.budget.spend() => problem,
            opened => return opened.map_err(Problem::from),
        };
        sleep(retry::wait()).await;
        let Some(other) = self.listeners.choose(false, Some(&avoid)) else { return Err(missed) };
        other.member().meters().retries.increment(1);
        self.open_at(other, path, headers).await
    }

    /// A handshake with this instance.
    pub(super) async fn open_at(
        &self,
        listener: Chosen<SocketListener>,
        path: PathAndQuery,
        headers: HeaderMap,
    ) -> Result<Opened, Problem> {
        self.shake_hands(listener, path, headers).await.map_err(Problem::from)
    }

    async fn shake_hands(
        &self,
        mut listener: Chosen<SocketListener>,
        path: PathAndQuery,
        headers: HeaderMap,
    ) -> Result<Opened, Missed> {
        let to = listener.member().authority();
        let onward = onward::request(Method::GET, to, path, headers, Body::empty());
        let onward = onward.map_err(|fault| Missed::Late(fault.into()))?;
        match timeout(HANDSHAKE, self.ask(&mut listener, onward)).await {
            Ok(Ok(answer)) => Ok((listener, answer)),
            Ok(Err(problem)) => Err(Missed::Away(problem)),
            Err(_) => {
                listener.failed();
                Err(Missed::Late(Fault::unavailable("the room").into()))
            }
        }
    }
}

// === impl Missed ===

impl From<Missed> for Problem {
    fn from(missed: Missed) -> Self {
        match missed {
            Missed::Away(problem) | Missed::Late(problem) => problem,
        }
    }
}
