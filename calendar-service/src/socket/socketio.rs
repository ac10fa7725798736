//! The same room for Socket.IO clients (protocol v5, Engine.IO v4).
//!
//! socketioxide speaks the protocol; who may come in, the state machine, the
//! desk and the rooms are those of `/ws`. Its handlers are plain closures: those
//! run in order of receipt, where async ones run as tasks and overtake each
//! other. Frames go out from the rooms, not through its adapter.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;
use socketioxide::{
    SocketIo, SocketIoBuilder,
    adapter::Adapter,
    extract::{AckSender, Event, SocketRef, TryData},
    handler::{ConnectHandler as _, FromMessageParts},
    socket::{Sid, Socket},
};
use tokio::{
    sync::mpsc,
    time::{interval, sleep, timeout},
};
use uuid::Uuid;

use super::{
    Parts,
    ask::Ask,
    close::CloseReason,
    command::Order,
    connection::Connection,
    desk::perform,
    hub::{Hub, Seat},
    limits::SocketLimits,
    line::{Answer, Line},
    peer::{Member, Step, Visitor},
    upgrade::{bearer, gateway_id},
};

/// Events that may wait for one client's turn; more than its pace allows.
const WAITING: usize = 128;
/// Between two looks whether the client is still there.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// For messages on their way to be answered.
const FINISH: Duration = Duration::from_secs(2);

/// What a client says about itself in the namespace CONNECT.
#[derive(Default, Deserialize)]
struct Auth {
    #[serde(default)]
    token: Option<String>,
}

/// Handed from the middleware to the handler, which takes it.
#[derive(Clone)]
struct Admitted(Arc<Mutex<Option<(Identity, Seat)>>>);

/// Whether the client gave a callback.
struct Wanted(bool);

/// Adds the namespace with everything behind it.
pub(super) fn install(io: &SocketIo, parts: &Arc<Parts>) {
    let hub = Arc::clone(&parts.hub);
    let connect = move |socket: SocketRef, io: SocketIo| {
        connected(&hub, io, socket);
        ready(())
    };
    let parts = Arc::clone(parts);
    let admit = move |socket: SocketRef, auth: TryData<Auth>| {
        let parts = Arc::clone(&parts);
        async move { admit(&parts, &socket, auth.0.unwrap_or_default()).await }
    };
    io.ns("/", connect.with(admit));
}

/// The protocol's bounds, as on `/ws`.
pub(super) fn builder(limits: &SocketLimits) -> SocketIoBuilder {
    SocketIo::builder()
        .req_path("/socket.io")
        .connect_timeout(Duration::from_secs(10))
        .ping_interval(limits.ping_every)
        .ping_timeout(limits.pong_within)
        .max_payload(limits.frame_bytes as u64)
        .ws_max_message_size(limits.frame_bytes)
        .ws_max_frame_size(limits.frame_bytes)
        .max_buffer_size(limits.queued_frames)
}

/// Lets a client into the namespace, or says why not: the text is what the
/// client reads in `connect_error`.
async fn admit(parts: &Parts, socket: &SocketRef, auth: Auth) -> Result<(), String> {
    let refuse = |fault: Fault| fault.reason.as_str().to_owned();
    let header = bearer(&socket.req_parts().headers);
    let token = auth.token.as_deref().or(header).ok_or_else(|| refuse(Fault::of(Reason::Unauthenticated)))?;
    let identity = parts.verifier.verify(token).await.map_err(refuse)?;
    if !parts.book.is_live(identity.session_id).await.map_err(refuse)? {
        return Err(refuse(Fault::of(Reason::Unauthenticated)));
    }
    let seat = parts.hub.seat(identity.account_id).map_err(refuse)?;
    socket.extensions.insert(Admitted(Arc::new(Mutex::new(Some((identity, seat))))));
    Ok(())
}

/// A client is in the namespace: registers it and starts its pump.
fn connected(hub: &Arc<Hub>, io: SocketIo, socket: SocketRef) {
    let admitted = socket.extensions.remove::<Admitted>().and_then(|admitted| admitted.0.lock().take());
    let Some((identity, seat)) = admitted else {
        tracing::error!("a Socket.IO client came past the middleware");
        let _ = socket.disconnect();
        return;
    };
    let connection_id = Uuid::new_v4();
    let (member, hello) = Visitor::new(&hub.limits).admit(&identity.username, connection_id);
    let line = Line::new(socket.clone(), Arc::clone(&hub.meters));
    let gateway_id = gateway_id(&socket.req_parts().headers);
    let connection = Arc::new(Connection::new(hub.next_serial(), connection_id, identity, gateway_id, line));
    connection.say(&hello);
    hub.connect(Arc::<Connection<Line>>::clone(&connection));
    let (asks, todo) = mpsc::channel(WAITING);
    listen(hub, &socket, &connection, member, asks);
    let pump = pump(Arc::clone(hub), io, socket.id, connection, todo);
    hub.service.lifecycle.spawn(async move {
        pump.await;
        drop(seat);
    });
}

/// Puts every event of a client into its queue, in order of receipt.
fn listen(
    hub: &Arc<Hub>,
    socket: &SocketRef,
    connection: &Arc<Connection<Line>>,
    member: Member,
    asks: mpsc::Sender<(Answer, Ask)>,
) {
    let listener = Arc::clone(connection);
    let hub = Arc::clone(hub);
    let member = Arc::new(Mutex::new(member));
    let hear =
        move |Event(name): Event, TryData(data): TryData<Value>, Wanted(wanted): Wanted, ack: AckSender| {
            hub.meters.frames_in.increment(1);
            let reply = Answer { ack, wanted };
            let now = hub.clock.monotonic();
            let step = if let Ok(Value::Object(payload)) = data {
                member.lock().on_ask(reply, Ask::read(&name, payload), now)
            } else if name == "command" {
                member.lock().on_ask(reply, Ok(Ask::Command(Order::NoObject)), now)
            } else {
                let fault = Fault::new(Reason::Invalid, "the payload of an event is a JSON object");
                member.lock().on_malformed(reply, fault, now)
            };
            match step {
                Step::Do(reply, ask) => {
                    if asks.try_send((reply, ask)).is_err() {
                        listener.close(CloseReason::TooFast);
                    }
                }
                Step::Refuse(reply, fault) => listener.answer(reply, Err(fault)),
                Step::RefuseAndClose(reply, fault, reason) => {
                    listener.answer(reply, Err(fault));
                    listener.close(reason);
                }
            }
            ready(())
        };
    socket.on_fallback(hear);
    let listener = Arc::clone(connection);
    socket.on_disconnect(move || {
        listener.outlet().gone();
        ready(())
    });
}

/// Does what the client asks, one after the other, until the end.
async fn pump(
    hub: Arc<Hub>,
    io: SocketIo,
    sid: Sid,
    connection: Arc<Connection<Line>>,
    mut todo: mpsc::Receiver<(Answer, Ask)>,
) {
    let line = connection.outlet();
    let lives = connection.identity().expires_at.duration_since(hub.clock.now());
    let expired = sleep(Duration::try_from(lives).unwrap_or_default());
    let mut looks = interval(LOOK_EVERY);
    tokio::pin!(expired);
    while !line.is_over() && !connection.is_leaving() {
        tokio::select! {
            Some((reply, ask)) = todo.recv() => {
                if !matches!(ask, Ask::Message { calendar_name: Some(_), .. }) {
                    // Everything else takes effect after the messages before it.
                    connection.settled().await;
                }
                perform(Arc::clone(&hub), Arc::clone(&connection), reply, ask).await;
            }
            () = line.woken() => {}
            () = &mut expired => connection.close(CloseReason::SessionEnded),
            _ = looks.tick() => {
                // The disconnect handler is missed by who leaves while it is set.
                if io.get_socket(sid).is_none() {
                    line.gone();
                }
            }
        }
    }
    if connection.is_leaving() {
        let _ = timeout(FINISH, connection.settled()).await;
        connection.say_goodbye();
    }
    line.hang_up().await;
    hub.disconnect(&connection).await;
}

// === impl Wanted ===

impl<A: Adapter> FromMessageParts<A> for Wanted {
    type Error = Infallible;

    fn from_message_parts(
        _socket: &Arc<Socket<A>>,
        _value: &mut socketioxide::handler::Value,
        ack_id: &Option<i64>,
    ) -> Result<Self, Infallible> {
        Ok(Self(ack_id.is_some()))
    }
}
