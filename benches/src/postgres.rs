//! The private PostgreSQL of a run: the embedded server that `make run` starts,
//! with its settings (fsync on), on data that begin empty.

use std::{fs, io, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use standalone::{
    data_dir::DataDir,
    postgres::{AUTH, CALENDAR, Cluster},
};

use crate::process::Process;

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections of the load program to one database: as many as its callers.
const CONNECTIONS: u32 = 16;

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    cluster: Cluster,
    postmaster: Process,
    // Holds the lock on the data: last, so that it goes last.
    _data_dir: DataDir,
}

/// Pools to databases of the same shape as the services'. What is written there
/// nobody takes further: no outbox is drained, no saga is ended.
#[derive(Clone, Debug)]
pub struct Twins {
    /// Like auth-service's.
    pub auth: PgPool,
    /// Like calendar-service's.
    pub calendar: PgPool,
}

// === impl Postgres ===

impl Postgres {
    /// Starts a server on empty data below `path`. A server that a killed run left
    /// there is ended first.
    pub async fn start(path: &Path) -> Result<Self> {
        clear(path).await?;
        let data_dir = DataDir::open(path)?;
        let cluster = Cluster::open(&data_dir, None).await?;
        cluster.ensure().await?;
        let record = fs::read_to_string(data_dir.join("postgres/postmaster.pid"))?;
        let pid = record.lines().next().and_then(|pid| pid.trim().parse().ok());
        let postmaster = Process::new(pid.context("the server's record names no process")?);
        Ok(Self { cluster, postmaster, _data_dir: data_dir })
    }

    /// The postmaster; its family is the server.
    pub const fn process(&self) -> Process {
        self.postmaster
    }

    /// The URL of auth-service's database.
    pub fn auth_url(&self) -> String {
        self.cluster.url(AUTH)
    }

    /// The URL of calendar-service's database.
    pub fn calendar_url(&self) -> String {
        self.cluster.url(CALENDAR)
    }

    /// The load program's own pool to a database.
    pub async fn pool(url: &str) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false).connect(url).await?)
    }

    /// Databases with the services' tables that no service knows of.
    pub async fn twins(&self) -> Result<Twins> {
        let superuser = PgConnectOptions::new_without_pgpass()
            .socket(self.cluster.socket_folder())
            .username("postgres")
            .database("postgres");
        let mut connection = superuser.connect().await?;
        sqlx::raw_sql("create database calendar_twin owner calendar").execute(&mut connection).await?;
        sqlx::raw_sql("create database auth_twin owner auth").execute(&mut connection).await?;
        connection.close().await?;
        let calendar = twin(&self.calendar_url(), "calendar").await?;
        Ok(Twins { calendar, auth: twin(&self.auth_url(), "auth").await? })
    }

    /// Ends the server and waits for that.
    pub async fn stop(self) {
        self.cluster.stop(PATIENCE).await;
    }
}

impl Drop for Postgres {
    /// A run that fails leaves no server behind either.
    fn drop(&mut self) {
        self.postmaster.interrupt();
    }
}

/// A database like that of `service`, migrated.
async fn twin(url: &str, service: &str) -> Result<PgPool> {
    let url = url.replace(&format!("/{service}?"), &format!("/{service}_twin?"));
    let pool = Postgres::pool(&url).await?;
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("migrations").join(service);
    Migrator::new(migrations).await?.run(&pool).await?;
    Ok(pool)
}

/// Removes the data of an earlier run.
async fn clear(path: &Path) -> Result<()> {
    if path.join("postgres").exists() {
        let data_dir = DataDir::open(path)?;
        Cluster::open(&data_dir, None).await?.stop(PATIENCE).await;
    }
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            bail!("cannot remove {}: {error}", path.display())
        }
        _ => Ok(()),
    }
}
