//! Sessions remembered in Redis, for all gateways.
//!
//! `gateway:session:<id>` is the account's id while the session is known to be
//! live, `ended` after. Every entry expires by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::lifecycle::Lifecycle;
use futures::{FutureExt as _, future::BoxFuture};
use redis::{Pipeline, pipe};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, mpsc},
    time::{Instant, sleep},
};
use uuid::Uuid;

use super::{ENDED_FOR, LIVE_FOR, SessionCache, Standing};
use crate::redis_link::{Away, RedisLink};

const PREFIX: &str = "gateway:session:";
const ENDED: &str = "ended";
/// Fills that wait for Redis; more are dropped: they cost a question each.
const FILLS: usize = 1024;
/// An older answer of auth-service is not worth remembering for others.
const FILL_WITHIN: Duration = Duration::from_secs(1);
/// Tombstones that wait for Redis. Past it the feed of ended sessions, which
/// does not need Redis, is the only one to tell.
const BURIALS: usize = 10_000;
const TRY_AGAIN: Duration = Duration::from_millis(100);

/// The cache that gateways share.
pub struct RedisSessions {
    link: Arc<RedisLink>,
    fills: mpsc::Sender<Fill>,
    unburied: Arc<Unburied>,
}

struct Fill {
    session: Uuid,
    account: Uuid,
    asked: Instant,
}

/// Sessions whose tombstones could not be written yet, and until when it matters.
#[derive(Default)]
struct Unburied {
    sessions: Mutex<HashMap<Uuid, Instant>>,
    some: Notify,
}

// === impl RedisSessions ===

impl RedisSessions {
    /// A cache behind `link`; its writers run until the lifecycle drains.
    pub fn start(link: Arc<RedisLink>, lifecycle: &Lifecycle) -> Self {
        let (fills, waiting) = mpsc::channel(FILLS);
        let waiting = Arc::new(AsyncMutex::new(waiting));
        let this = Self { link, fills, unburied: Arc::default() };
        let (link, until) = (Arc::clone(&this.link), lifecycle.clone());
        lifecycle.supervise("gateway-session-fills", move || {
            write_fills(Arc::clone(&link), Arc::clone(&waiting), until.clone())
        });
        let (link, unburied, until) = (Arc::clone(&this.link), Arc::clone(&this.unburied), lifecycle.clone());
        lifecycle.supervise("gateway-session-tombstones", move || {
            write_tombstones(Arc::clone(&link), Arc::clone(&unburied), until.clone())
        });
        this
    }
}

impl SessionCache for RedisSessions {
    fn look(&self, session: Uuid) -> BoxFuture<'_, Option<Standing>> {
        async move {
            let mut commands = pipe();
            commands.get(key(session));
            let (found,): (Option<String>,) = self.link.run(&commands).await.ok()?;
            match found.as_deref() {
                Some(ENDED) => Some(Standing::Ended),
                Some(account) => Some(Standing::Live { account: account.parse().ok()? }),
                None => None,
            }
        }
        .boxed()
    }

    fn fill(&self, session: Uuid, account: Uuid) {
        if self.fills.try_send(Fill { session, account, asked: Instant::now() }).is_err() {
            metrics::counter!("gateway_session_fills_dropped_total", "service" => "gateway").increment(1);
        }
    }

    fn bury(&self, session: Uuid) -> BoxFuture<'_, ()> {
        async move {
            if self.link.run::<()>(&tombstones([session])).await.is_err() {
                self.unburied.add(session);
            }
        }
        .boxed()
    }
}

// === impl Unburied ===

impl Unburied {
    fn add(&self, session: Uuid) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < BURIALS {
            sessions.insert(session, Instant::now() + ENDED_FOR);
        } else {
            metrics::counter!("gateway_session_tombstones_dropped_total", "service" => "gateway")
                .increment(1);
        }
        drop(sessions);
        self.some.notify_one();
    }

    /// Those that still matter.
    fn waiting(&self) -> Vec<Uuid> {
        let now = Instant::now();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, matters_until| now < *matters_until);
        metrics::gauge!("gateway_session_tombstones_waiting", "service" => "gateway")
            .set(sessions.len() as f64);
        sessions.keys().copied().collect()
    }

    fn done(&self, written: &[Uuid]) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        for session in written {
            sessions.remove(session);
        }
    }
}

fn key(session: Uuid) -> String {
    format!("{PREFIX}{session}")
}

fn tombstones(sessions: impl IntoIterator<Item = Uuid>) -> Pipeline {
    let mut commands = pipe();
    for session in sessions {
        commands.set_ex(key(session), ENDED, ENDED_FOR.as_secs()).ignore();
    }
    commands
}

async fn write_fills(
    link: Arc<RedisLink>,
    waiting: Arc<AsyncMutex<mpsc::Receiver<Fill>>>,
    lifecycle: Lifecycle,
) {
    // Held for as long as this loop lives; the next one starts when it is gone.
    let mut waiting = waiting.lock().await;
    let mut batch = Vec::new();
    loop {
        tokio::select! {
            _ = waiting.recv_many(&mut batch, 64) => {}
            () = lifecycle.draining() => return,
        }
        let mut commands = pipe();
        for fill in batch.drain(..).filter(|fill| fill.asked.elapsed() < FILL_WITHIN) {
            // NX: never over a tombstone, never longer than the first fill said.
            let set = commands.cmd("SET").arg(key(fill.session)).arg(fill.account.to_string());
            set.arg("NX").arg("EX").arg(LIVE_FOR.as_secs()).ignore();
        }
        // Lost fills cost a question each.
        let _: Result<(), Away> = link.run(&commands).await;
    }
}

async fn write_tombstones(link: Arc<RedisLink>, unburied: Arc<Unburied>, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        let waiting = unburied.waiting();
        if waiting.is_empty() {
            tokio::select! { () = unburied.some.notified() => {}, () = lifecycle.draining() => {} }
            continue;
        }
        if link.run::<()>(&tombstones(waiting.iter().copied())).await.is_ok() {
            unburied.done(&waiting);
        } else {
            tokio::select! { () = sleep(TRY_AGAIN) => {}, () = lifecycle.draining() => {} }
        }
    }
}
