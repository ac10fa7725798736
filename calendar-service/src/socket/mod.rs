//! The rooms: raw WebSocket at `/ws` and Socket.IO at `/socket.io/`, on one
//! listener, fed from one hub.
//!
//! The life of a frame. [`upgrade`] (or [`socketio`]) verifies the token and
//! makes a connection. Its [`pump`] reads text, the state machine in [`peer`]
//! says what it means ([`ask`]), the [`desk`] does it through the use-cases and
//! answers ([`frame`]). What a use-case commits comes over the bus to the
//! [`relay`], which hands it to the [`keeper`] of its room; a message in a room
//! goes to the keeper directly, which commits many at once. The [`room`] tells
//! its log in order, encoded once ([`wire`]), into each member's [`outbox`],
//! written without waking anybody. Who comes in later gets a [`replay`]. What is
//! for people rather than rooms goes into a bag ([`mail`]) that the [`postman`]
//! empties: from their inboxes, and what is [`recent`].
//!
//! Several instances are one system: each tells its own rooms what the bus
//! brings, reads the log where the bus is silent, and knows by [`elsewhere`] who
//! is connected to the others ([`presence`]).

mod ask;
mod audience;
mod close;
mod command;
mod connection;
mod desk;
mod elsewhere;
#[cfg(test)]
mod examples;
mod frame;
mod hub;
mod keeper;
mod limits;
mod line;
mod link;
mod listener;
mod mail;
mod meters;
mod outbox;
mod outlet;
mod peer;
mod ping;
#[cfg(test)]
mod plan;
mod postman;
mod presence;
mod pump;
mod recent;
mod registry;
mod relay;
mod replay;
mod room;
mod sessions;
mod socketio;
mod turns;
mod upgrade;
mod wire;

use std::{io, sync::Arc, time::Duration};

use chassis::{clock::Clock, tls::Acceptor, tokens::Verifier};
use futures::{FutureExt as _, future::BoxFuture};
use socketioxide::SocketIo;
use tokio::{net::TcpListener, time::sleep};

use self::hub::Hub;
pub use self::{
    limits::{BroadcastScope, SocketLimits},
    sessions::{RpcSessionBook, SessionBook},
};
use crate::{service::Service, tunnels::Tunnels};

/// The listener goes on accepting for a second after the soft stop; then the
/// sockets are sent away.
const LAME_DUCK: Duration = Duration::from_millis(1_100);
/// Between two rounds of sending away, for who was just coming in.
const ROUND: Duration = Duration::from_millis(100);

/// The sockets of this instance. Clones share them.
#[derive(Clone)]
pub struct Sockets {
    parts: Arc<Parts>,
}

/// What the sockets stand on.
pub struct SocketParts {
    /// Store, bus, lifecycle.
    pub service: Service,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Knows which sessions live.
    pub book: Arc<dyn SessionBook>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What one connection may do.
    pub limits: SocketLimits,
    /// Who hears a message that names no calendar.
    pub scope: BroadcastScope,
}

/// What every connection needs before it is one.
struct Parts {
    hub: Arc<Hub>,
    verifier: Arc<Verifier>,
    book: Arc<dyn SessionBook>,
}

// === impl Sockets ===

impl Sockets {
    /// Starts the loops behind the sockets on the service's lifecycle.
    pub fn start(parts: SocketParts) -> Self {
        let SocketParts { service, verifier, book, clock, limits, scope } = parts;
        let lifecycle = service.lifecycle.clone();
        let hub = Hub::new(service, clock, limits, scope);
        let on = Arc::clone(&hub);
        lifecycle.supervise("calendar-rooms", move || relay::relay(Arc::clone(&on)));
        let on = Arc::clone(&hub);
        lifecycle.supervise("calendar-presence", move || presence::tell(Arc::clone(&on)));
        let on = Arc::clone(&hub);
        lifecycle.supervise("calendar-rosters", move || presence::exchange(Arc::clone(&on)));
        let on = Arc::clone(&hub);
        lifecycle.supervise("calendar-inboxes", move || postman::run(Arc::clone(&on)));
        let (watched, sessions) = (Arc::clone(&hub), Arc::clone(&book));
        lifecycle.supervise("calendar-sessions", move || {
            sessions::watch(Arc::clone(&watched), Arc::clone(&sessions))
        });
        Self { parts: Arc::new(Parts { hub, verifier, book }) }
    }

    /// Serves `/ws` and `/socket.io/`, to whom `door` lets in, until the process drains and every socket
    /// was sent away.
    pub async fn serve(&self, listener: TcpListener, door: Acceptor) -> io::Result<()> {
        let (service, io) = socketio::builder(&self.parts.hub.limits).build_svc();
        socketio::install(&io, &self.parts);
        let accepting = listener::serve(Arc::clone(&self.parts), listener, door, service);
        let (served, ()) = tokio::join!(accepting, self.drain(io));
        served
    }

    /// How many sockets there are.
    pub fn count(&self) -> usize {
        self.parts.hub.registry(registry::Registry::len)
    }

    async fn drain(&self, io: SocketIo) {
        let lifecycle = &self.parts.hub.service.lifecycle;
        lifecycle.draining().await;
        // At the hard stop the pumps are dropped: nobody is left who takes a socket off the registry.
        tokio::select! { () = self.send_away(io) => {}, () = lifecycle.aborting() => {} }
    }

    async fn send_away(&self, io: SocketIo) {
        let hub = &self.parts.hub;
        sleep(LAME_DUCK).await;
        while hub.registry(registry::Registry::len) > 0 {
            for connection in hub.registry(registry::Registry::all) {
                connection.send_away();
            }
            sleep(ROUND).await;
        }
        // Ends the long polls that nobody answers any more.
        io.close().await;
    }
}

impl Tunnels for Sockets {
    fn close_tunnels(&self, gateway_id: &str) -> BoxFuture<'static, u32> {
        let through = self.parts.hub.registry(|registry| registry.of_gateway(gateway_id));
        for connection in &through {
            connection.send_away();
        }
        let count = u32::try_from(through.len()).unwrap_or(u32::MAX);
        std::future::ready(count).boxed()
    }
}
