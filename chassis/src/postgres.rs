//! PostgreSQL: pools with bounds that find their primary, migrations under a
//! lock, errors as faults.

mod choice;
mod fleet;
mod kept;
mod pool;
mod watch;

use std::{str::FromStr as _, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    Connection as _,
    error::DatabaseError,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use self::fleet::Fleet;
use crate::{
    backoff::Backoff,
    fault::{Fault, Reason},
    health::Dependency,
    lifecycle::Lifecycle,
};

pub use self::{kept::Line, pool::Pool, watch::watch};

/// How long a request waits for a connection; sqlx's own default is 30 s.
const ACQUIRE: Duration = Duration::from_secs(1);
/// Between two looks at the database's health.
const PROBE: Duration = Duration::from_secs(1);

/// A pool that connects when first used, so that a service starts without its
/// database. Every statement is bounded to one second by the server. `replicas` are
/// the other servers of the same database: any of them may become the primary.
pub fn connect(
    url: &SecretString,
    replicas: &[SecretString],
    max_connections: u32,
) -> Result<Pool, sqlx::Error> {
    connect_with(url, replicas, max_connections, &[])
}

/// [`connect`] with settings for each connection.
pub fn connect_with(
    url: &SecretString,
    replicas: &[SecretString],
    max_connections: u32,
    settings: &[(&str, &str)],
) -> Result<Pool, sqlx::Error> {
    let options = |url: &SecretString| {
        let options = PgConnectOptions::from_str(url.expose_secret())?.application_name("shared-calendar");
        let bounds = [("statement_timeout", "1000"), ("idle_in_transaction_session_timeout", "5000")];
        Ok::<_, sqlx::Error>(options.options(bounds).options(settings.iter().copied()))
    };
    if !replicas.is_empty() {
        let servers = std::iter::once(url).chain(replicas).map(options).collect::<Result<_, _>>()?;
        return Ok(Pool::of(Fleet::new(servers, max_connections)));
    }
    let pool = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE)
        .test_before_acquire(false)
        .connect_lazy_with(options(url)?);
    Ok(Pool::keeping(pool, max_connections))
}

/// The addresses of replicas as an operator gives them, without empty ones; none when
/// one of them is no address.
pub fn replicas(urls: Vec<SecretString>) -> Option<Vec<SecretString>> {
    let given: Vec<_> = urls.into_iter().filter(|url| !url.expose_secret().is_empty()).collect();
    given.iter().all(is_url).then_some(given)
}

/// Whether this is an address of PostgreSQL; sqlx takes any scheme.
fn is_url(url: &SecretString) -> bool {
    let url = url.expose_secret();
    let is_postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    is_postgres && PgConnectOptions::from_str(url).is_ok()
}

/// Brings the schema up to date, waiting for the database as long as it takes,
/// then watches that it answers; all the while it follows the primary where there are
/// several servers. Ends with the soft stop. Migrations of several
/// instances take turns under sqlx's advisory lock.
pub async fn prepare(pool: Pool, migrator: &'static Migrator, database: Dependency, lifecycle: Lifecycle) {
    tokio::join!(pool.follow(&lifecycle), tend(&pool, migrator, &database, &lifecycle));
}

async fn tend(pool: &Pool, migrator: &'static Migrator, database: &Dependency, lifecycle: &Lifecycle) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
    while let Err(error) = migrate(pool, migrator).await {
        database.down(error.to_string());
        let delay = backoff.next_delay(&mut rand::rng());
        tokio::select! { () = tokio::time::sleep(delay) => {}, () = lifecycle.draining() => return }
    }
    while !lifecycle.is_draining() {
        match probe(pool).await {
            Ok(()) => database.up(),
            Err(error) => database.down(error.reason.as_str()),
        }
        tokio::select! { () = tokio::time::sleep(PROBE) => {}, () = lifecycle.draining() => return }
    }
}

/// Applies what is missing. Migrations may take longer than a request's statement.
pub async fn migrate(pool: &Pool, migrator: &Migrator) -> Result<(), sqlx::migrate::MigrateError> {
    // Whoever migrates by hand follows nobody.
    pool.look().await;
    // The setting, and what is left when nobody waits any more, must not go back into the pool.
    let mut connection = pool.acquire().await?.detach();
    sqlx::query("set statement_timeout = 0").execute(&mut connection).await?;
    // Not `run`: its future is not `Send` for every lifetime (`Acquire` is not
    // general enough), so no task could hold it. This is what it calls.
    let migrated = migrator.run_direct(None, &mut connection, false).await;
    connection.close().await?;
    migrated
}

/// Whether the database answers right now, within a second.
pub async fn probe(pool: &Pool) -> Result<(), Fault> {
    let answer = sqlx::query("select 1").execute(pool);
    match tokio::time::timeout(ACQUIRE, answer).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(classify(&error)),
        Err(_) => Err(Fault::unavailable("the database")),
    }
}

/// A database error as a fault: "away" is `unavailable`, all else is ours.
pub fn classify(error: &sqlx::Error) -> Fault {
    if is_unavailable(error) {
        tracing::warn!(%error, "the database is not available");
        Fault::unavailable("the database")
    } else {
        Fault::internal(error)
    }
}

/// Whether the error says that the database is away, restarting, overloaded,
/// or no longer the primary, rather than that a statement is wrong.
pub fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // 08 connection, 53 resources, 57 operator intervention (also statement
            // timeout), 25006 read-only, 40 serialisation and deadlock, 55P03 lock;
            // 3D000 no such database yet; 42P01, 42703 and 42883 no such table,
            // column or function: statements are checked at compile time, so the
            // migrations are not through yet.
            matches!(&code[..2], "08" | "53" | "57" | "40")
                || matches!(&*code, "25006" | "55P03" | "3D000" | "42P01" | "42703" | "42883")
        }),
        _ => false,
    }
}

/// Turns the violation of one named constraint into the fault it means.
pub fn on_constraint<T>(
    result: Result<T, sqlx::Error>,
    name: &str,
    meaning: impl FnOnce() -> Fault,
) -> Result<T, Fault> {
    result.map_err(|error| match error.as_database_error().and_then(DatabaseError::constraint) {
        Some(constraint) if constraint == name => meaning(),
        _ => classify(&error),
    })
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        classify(&error)
    }
}

/// A guarded write that must hit exactly `expected` rows did not.
pub fn ensure_rows(done: &sqlx::postgres::PgQueryResult, expected: u64) -> Result<(), Fault> {
    if done.rows_affected() == expected {
        return Ok(());
    }
    tracing::error!(rows = done.rows_affected(), expected, "a write hit another number of rows");
    Err(Fault::of(Reason::Internal))
}
