//! Does what clients ask, through the use-cases, and sees to it that every
//! frame gets its one answer. Knows no wire, and of sockets only the one that
//! asks.

use std::{collections::BTreeMap, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey},
};
use futures::FutureExt as _;
use secrecy::ExposeSecret;
use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

use super::{
    ask::Ask,
    audience::say,
    command::{self, Report},
    connection::{Connection, Receipt},
    frame::{Resumed, ServerFrame, Success},
    hub::Hub,
    keeper::{Command, Enter},
    limits::BroadcastScope,
    outlet::{Answering, Outlet},
};
use crate::{
    bus::Audience,
    event, member,
    message::{self, Place, Post},
    model::{Joined, fold},
};

/// From a frame to the end of patience.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_800);
/// The same for a create: the saga says sooner what it can say.
const CREATE_WITHIN: Duration = Duration::from_secs(5);

/// Does `ask` for `connection` and sees to its answer: now or, for a message in
/// a room, when its group is committed.
pub(super) async fn perform<O: Answering>(
    hub: Arc<Hub>,
    connection: Arc<Connection<O>>,
    reply: O::Reply,
    ask: Ask,
) {
    let (service, caller) = (&hub.service, connection.identity());
    let event = |event| Success::Event { event: Box::new(event), replayed: false };
    let outcome = match ask {
        Ask::Message { calendar_name: Some(name), message, key } => {
            return post(&hub, &connection, reply, (&name, &message), key.as_ref()).await;
        }
        Ask::JoinCalendar { calendar_name, calendar_password, last_seq } => {
            let password = calendar_password.as_ref().map(ExposeSecret::expose_secret);
            return join(&hub, &connection, reply, &calendar_name, password, last_seq).await;
        }
        Ask::Resume { calendars } => return resume(&hub, &connection, reply, calendars).await,
        Ask::Message { calendar_name: None, message, .. } => {
            within(ANSWER_WITHIN, broadcast(&hub, &connection, message)).await
        }
        Ask::LeaveCalendar { calendar_name } => {
            within(ANSWER_WITHIN, leave(&hub, &connection, &calendar_name)).await
        }
        Ask::CreateEvent { calendar_name, fields, key } => {
            let create = event::create_once(service, caller, &calendar_name, *fields, key.as_ref());
            within(CREATE_WITHIN, create)
                .await
                .map(|Answered { answer, replayed }| Success::Event { event: Box::new(answer), replayed })
        }
        Ask::UpdateEvent { event_id, etag, fields } => {
            let update = event::update(service, caller, event_id, &etag, *fields);
            within(ANSWER_WITHIN, update).await.map(event)
        }
        Ask::DeleteEvent { event_id, etag } => {
            let delete = event::delete(service, caller, event_id, &etag);
            within(ANSWER_WITHIN, delete).await.map(|()| Success::Deleted { event_id })
        }
        Ask::Command(order) => {
            let done = within(ANSWER_WITHIN, command::carry_out(service, caller, order)).await;
            Ok(Success::Command(Box::new(Report::new(done))))
        }
    };
    connection.answer(reply, outcome);
    connection.flush();
}

/// An answer in any case: in time, and also when the work panics.
async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    match timeout(patience, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => {
            metrics::counter!("handler_panics_total", "service" => "calendar").increment(1);
            tracing::error!("a frame's handler panicked");
            Err(Fault::of(Reason::Internal))
        }
        Err(_elapsed) if patience > ANSWER_WITHIN => Err(Fault::of(Reason::DeadlineExceeded)),
        Err(_elapsed) => Err(Fault::unavailable("a part of the service")),
    }
}

/// A message that was looked at.
enum Ready {
    /// For this room's writer: its payload, and its claim if it has a key.
    ToKeep(Uuid, String, Option<Claim>),
    /// An earlier one with the same key was told this.
    Answered(Answered<Place>),
}

/// Hands a message to its room, whose writer answers.
async fn post<O: Answering>(
    hub: &Arc<Hub>,
    connection: &Arc<Connection<O>>,
    reply: O::Reply,
    (name, text): (&str, &str),
    key: Option<&IdempotencyKey>,
) {
    let caller = connection.identity();
    let prepare = async {
        let payload = message::payload(text)?;
        let (claim, first) = message::claim(&hub.service.store, caller, (name, text), key).await?;
        match first {
            Some(first) => Ok(Ready::Answered(first)),
            None => Ok::<_, Fault>(Ready::ToKeep(room_named(hub, name).await?, payload, claim)),
        }
    };
    let (calendar_id, payload, claim) = match within(ANSWER_WITHIN, prepare).await {
        Ok(Ready::ToKeep(calendar_id, payload, claim)) => (calendar_id, payload, claim),
        Ok(Ready::Answered(first)) => {
            connection.answer(reply, Ok(first.into()));
            return connection.flush();
        }
        Err(fault) => {
            connection.answer(reply, Err(fault));
            return connection.flush();
        }
    };
    let post = Post {
        account_id: caller.account_id,
        username: Arc::clone(&caller.username),
        payload,
        claim,
        receipt: Receipt::new(connection, reply),
    };
    hub.send(calendar_id, Command::Post(Box::new(post)));
}

/// The calendar of this name; membership is the writer's question.
async fn room_named(hub: &Hub, name: &str) -> Result<Uuid, Fault> {
    if let Some(calendar_id) = hub.room_named(name) {
        return Ok(calendar_id);
    }
    let found = hub.service.store.calendar_named(&fold(name)).await?;
    found.ok_or_else(|| Fault::of(Reason::CalendarNotFound))
}

/// Says something to everybody who should hear it, and keeps nothing.
async fn broadcast<O: Outlet>(hub: &Hub, connection: &Connection<O>, text: String) -> Result<Success, Fault> {
    message::check(&text)?;
    let caller = connection.identity();
    let to = match hub.scope {
        BroadcastScope::Everyone => Audience::Everybody,
        BroadcastScope::Shared => {
            let mut companions = hub.service.store.companions(caller.account_id).await?;
            companions.push(caller.account_id);
            Audience::Accounts(companions)
        }
        BroadcastScope::Off => {
            return Err(Fault::new(Reason::Forbidden, "a message needs a calendar_name here"));
        }
    };
    let by = Arc::clone(&caller.username);
    say(hub, to, &ServerFrame::Message { message: text, by, at: hub.clock.now() }).await;
    Ok(Success::Sent {})
}

/// Makes the caller a member if need be, and puts the connection into the room.
async fn join<O: Answering>(
    hub: &Arc<Hub>,
    connection: &Arc<Connection<O>>,
    reply: O::Reply,
    name: &str,
    password: Option<&str>,
    have: Option<i64>,
) {
    let joined =
        within(ANSWER_WITHIN, member::join(&hub.service, connection.identity(), name, password)).await;
    match joined.and_then(|joined| not_in_yet(connection, joined)) {
        Ok(joined) => {
            let success = Success::Joined {
                calendar_id: joined.calendar_id,
                calendar_name: Arc::clone(&joined.calendar_name),
                role: joined.role.as_str(),
                last_seq: joined.last_seq,
            };
            connection.answer(reply, Ok(success));
            enter(hub, connection, &joined, have).await;
        }
        Err(fault) => connection.answer(reply, Err(fault)),
    }
    connection.flush();
}

/// Puts the connection into several rooms of which the caller is a member.
async fn resume<O: Answering>(
    hub: &Arc<Hub>,
    connection: &Arc<Connection<O>>,
    reply: O::Reply,
    calendars: Vec<(String, i64)>,
) {
    let mut outcomes = BTreeMap::new();
    let mut found: Vec<(Joined, i64)> = Vec::new();
    for (name, have) in calendars {
        let joined = within(ANSWER_WITHIN, member::find(&hub.service, connection.identity(), &name)).await;
        let joined = joined.and_then(|joined| not_in_yet(connection, joined)).and_then(|joined| {
            // Two spellings of one name.
            let twice = found.iter().any(|(other, _)| other.calendar_id == joined.calendar_id);
            if twice { Err(Fault::of(Reason::AlreadyInCalendar)) } else { Ok(joined) }
        });
        let outcome = joined.map(|joined| {
            let outcome = (joined.calendar_id, joined.last_seq);
            found.push((joined, have));
            outcome
        });
        outcomes.insert(name, Resumed::new(outcome));
    }
    connection.answer(reply, Ok(Success::Resumed { calendars: outcomes }));
    connection.flush();
    for (joined, have) in found {
        enter(hub, connection, &joined, Some(have)).await;
    }
}

fn not_in_yet<O: Outlet>(connection: &Connection<O>, joined: Joined) -> Result<Joined, Fault> {
    if connection.is_in(joined.calendar_id) { Err(Fault::of(Reason::AlreadyInCalendar)) } else { Ok(joined) }
}

/// Puts the connection into a room. The ack is out already: a failure now is
/// told as `left`, which is what it comes to.
async fn enter<O: Outlet>(
    hub: &Arc<Hub>,
    connection: &Arc<Connection<O>>,
    joined: &Joined,
    have: Option<i64>,
) {
    let (reply, answer) = oneshot::channel();
    let enter = Command::Enter(Box::new(Enter {
        connection: Arc::<Connection<O>>::clone(connection),
        member_as_of: joined.last_seq,
        have,
        members_online: members_online(hub, joined.calendar_id).await,
        reply,
    }));
    hub.send(joined.calendar_id, enter);
    let outcome = answer.await.unwrap_or_else(|_| Err(Fault::unavailable("the room")));
    if let Err(fault) = outcome {
        tracing::debug!(%fault, connection = %connection.id(), "a member, but not let into the room");
        connection.say(&ServerFrame::Left {
            calendar_id: joined.calendar_id,
            calendar_name: Arc::clone(&joined.calendar_name),
        });
    }
}

/// Best effort: where the members cannot be read, nobody is listed.
async fn members_online(hub: &Hub, calendar_id: Uuid) -> Vec<Arc<str>> {
    let members = within(ANSWER_WITHIN, hub.service.store.members(calendar_id)).await.unwrap_or_default();
    let mut online: Vec<_> = hub.registry(|registry| {
        let online = members.into_iter().filter(|member| registry.is_online(member.account_id));
        online.map(|member| member.username).collect()
    });
    online.sort();
    online
}

/// Ends the caller's membership; the room puts all their connections out.
async fn leave<O: Outlet>(hub: &Hub, connection: &Connection<O>, name: &str) -> Result<Success, Fault> {
    let was_in = hub.room_named(name).filter(|calendar_id| connection.is_in(*calendar_id));
    let calendar_id = member::leave(&hub.service, connection.identity(), name).await?;
    if was_in != Some(calendar_id) {
        // No room tells it: the connection was a member's, but not in it.
        connection.say(&ServerFrame::Left { calendar_id, calendar_name: name.trim().into() });
    }
    Ok(Success::Left { calendar_id })
}
