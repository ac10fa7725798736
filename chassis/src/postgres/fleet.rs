//! The servers of one database, looked at again and again: who is the primary,
//! and who follows it.

use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    sync::{Mutex, Notify, watch},
    time::timeout,
};

use super::{
    ACQUIRE,
    choice::{Sight, Tenure},
    pool::Current,
};

/// For a server's answer to a look, and for a standby's connection: whoever takes
/// longer is passed over.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a server is. Its timeline is part of the name of the log file that it writes;
/// whose log a standby streams is told to members of `pg_read_all_stats` only.
const LOOK: &str = "select pg_is_in_recovery(), case
        when pg_is_in_recovery() then
            (select received_tli::bigint from pg_stat_wal_receiver where status = 'streaming')
        else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint
    end";

/// All servers. The first is the one that is the primary until somebody has looked.
pub(super) struct Fleet {
    servers: Vec<PgConnectOptions>,
    max_connections: u32,
    gate: Arc<Gate>,
    /// A connection to each, for looking; kept, because a new one costs a password.
    lines: Mutex<Vec<Option<PgConnection>>>,
    readers: Vec<Reader>,
    next_reader: AtomicUsize,
    /// Servers that take writes and are not the primary.
    former: AtomicU64,
}

/// Stands between the pools and their servers.
struct Gate {
    tenure: watch::Sender<Tenure>,
    /// Somebody met a server that is not what it should be.
    hurry: Notify,
}

/// A server as one to read from.
struct Reader {
    pool: PgPool,
    follows: AtomicBool,
}

// === impl Fleet ===

impl Fleet {
    pub(super) fn new(servers: Vec<PgConnectOptions>, max_connections: u32) -> Self {
        let reader = |server: &PgConnectOptions| {
            let pool = PgPoolOptions::new().max_connections(max_connections).acquire_timeout(PATIENCE);
            let pool = pool.test_before_acquire(false).connect_lazy_with(server.clone());
            Reader { pool, follows: AtomicBool::new(false) }
        };
        Self {
            readers: servers.iter().map(reader).collect(),
            lines: Mutex::new(servers.iter().map(|_| None).collect()),
            gate: Arc::new(Gate { tenure: watch::Sender::default(), hurry: Notify::new() }),
            next_reader: AtomicUsize::new(0),
            former: AtomicU64::new(0),
            servers,
            max_connections,
        }
    }

    /// A pool of the primary as it is known now.
    pub(super) fn pool(&self) -> Current {
        let server = self.gate.tenure.borrow().server;
        let gate = Arc::clone(&self.gate);
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(ACQUIRE)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let gate = Arc::clone(&gate);
                Box::pin(async move { gate.admit(connection).await })
            })
            .connect_lazy_with(self.servers[server].clone());
        Current::keeping(pool, self.max_connections)
    }

    /// Looks at every server once. When the primary is another one than before, its pool
    /// takes the place of `current`, and the old one is returned to be closed.
    pub(super) async fn look(&self, current: &RwLock<Current>) -> Option<Current> {
        let mut lines = self.lines.lock().await;
        let seen = join_all(self.servers.iter().zip(lines.iter_mut()).map(|(to, line)| see(to, line))).await;
        let before = *self.gate.tenure.borrow();
        let now = before.after(&seen);
        for (reader, sight) in self.readers.iter().zip(&seen) {
            reader.follows.store(now.is_followed_by(*sight), Ordering::Relaxed);
        }
        let primaries = seen.iter().filter(|sight| matches!(sight, Sight::Primary(_))).count() as u64;
        let former = primaries - u64::from(now.admits(seen[now.server]));
        if former > self.former.swap(former, Ordering::Relaxed) {
            tracing::warn!(former, "a server takes writes that is not the primary any more");
        }
        // First this: whoever connects from here on is held to it.
        self.gate.tenure.send_replace(now);
        if !now.replaces(before) {
            return None;
        }
        let to = &self.servers[now.server];
        tracing::warn!(
            host = to.get_host(),
            port = to.get_port(),
            timeline = now.timeline,
            "another primary"
        );
        let mut current = current.write().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::replace(&mut *current, self.pool()))
    }

    /// Waits until somebody met a server that is not what it should be.
    pub(super) async fn hurry(&self) {
        self.gate.hurry.notified().await;
    }

    /// The timeline of the primary, and how many others take writes.
    pub(super) fn state(&self) -> (i64, u64) {
        (self.gate.tenure.borrow().timeline, self.former.load(Ordering::Relaxed))
    }

    /// Whether any server follows the primary.
    pub(super) fn has_standby(&self) -> bool {
        self.readers.iter().any(|reader| reader.follows.load(Ordering::Relaxed))
    }

    /// A connection to one of those that follow the primary, each in its turn.
    pub(super) async fn standby(&self) -> Option<PoolConnection<Postgres>> {
        let turn = self.next_reader.fetch_add(1, Ordering::Relaxed);
        let count = self.readers.len();
        let mut readers = (0..count).map(|n| &self.readers[turn.wrapping_add(n) % count]);
        let reader = readers.find(|reader| reader.follows.load(Ordering::Relaxed))?;
        reader.pool.acquire().await.ok()
    }

    /// Closes what is not the primary's pool.
    pub(super) async fn close(&self) {
        join_all(self.readers.iter().map(|reader| reader.pool.close())).await;
    }
}

// === impl Gate ===

impl Gate {
    /// Lets a new connection into the pool, if its server is the primary. One that is not is
    /// kept waiting until whoever wants it gives up: an error would make sqlx
    /// log it and connect again, and again.
    async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut tenure = self.tenure.subscribe();
        // Nobody has looked yet: the server may have been the primary long ago.
        let known = tenure.wait_for(|tenure| tenure.is_known()).await.map(|tenure| *tenure);
        let seen = ask(connection).await?;
        if known.is_ok_and(|tenure| tenure.admits(seen)) {
            return Ok(());
        }
        self.hurry.notify_one();
        std::future::pending().await
    }
}

/// What a server is, over the line to it.
async fn see(server: &PgConnectOptions, line: &mut Option<PgConnection>) -> Sight {
    let known = line.take();
    let look = async {
        let mut connection = match known {
            Some(connection) => connection,
            None => PgConnection::connect_with(server).await?,
        };
        let seen = ask(&mut connection).await?;
        Ok::<_, sqlx::Error>((seen, connection))
    };
    // A line that is broken, or silent, is not kept.
    match timeout(PATIENCE, look).await {
        Ok(Ok((seen, connection))) => {
            *line = Some(connection);
            seen
        }
        Ok(Err(_)) | Err(_) => Sight::Nothing,
    }
}

async fn ask(connection: &mut PgConnection) -> Result<Sight, sqlx::Error> {
    let (in_recovery, timeline): (bool, Option<i64>) = sqlx::query_as(LOOK).fetch_one(connection).await?;
    Ok(match (in_recovery, timeline) {
        (true, timeline) => Sight::Standby(timeline),
        (false, Some(timeline)) => Sight::Primary(timeline),
        (false, None) => Sight::Nothing,
    })
}
