//! Databases of one test, on the server of the run.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};
use standalone::{
    data_dir::DataDir,
    postgres::{ACTIVITY, AUTH, CALENDAR, Cluster, NOTIFICATION},
};
use tempfile::TempDir;
use uuid::Uuid;

/// An empty database for each service; gone with [`Self::remove`].
#[derive(Debug)]
pub struct Databases {
    /// The URL of auth-service's.
    pub auth: String,
    /// The URL of calendar-service's.
    pub calendar: String,
    /// The URL of notification-service's.
    pub notification: String,
    /// The URL of activity-service's.
    pub activity: String,
    server: Server,
}

#[derive(Debug)]
enum Server {
    /// `DATABASE_URL`, as `make test` gives it.
    Shared { url: String, names: [String; 4] },
    /// Our own, with the settings that the product gives its embedded server.
    Private { cluster: Cluster, data_dir: DataDir, _folder: TempDir },
    /// Somebody else's, who ends it.
    Elsewhere,
}

// === impl Databases ===

impl Databases {
    /// On the server of the run, or on a private one where there is none.
    pub async fn fresh() -> Result<Self> {
        match std::env::var("DATABASE_URL") {
            Ok(url) => Self::on(url).await,
            Err(_) => Self::private().await,
        }
    }

    async fn on(url: String) -> Result<Self> {
        let run = Uuid::now_v7().simple();
        let names = ["auth", "calendar", "notification", "activity"].map(|name| format!("{name}_{run}"));
        let mut connection = PgConnection::connect(&url).await.context("cannot reach DATABASE_URL")?;
        for name in &names {
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {name}")))
                .execute(&mut connection)
                .await?;
        }
        let [auth, calendar, notification, activity] =
            names.each_ref().map(|name| replace_database(&url, name));
        Ok(Self { auth, calendar, notification, activity, server: Server::Shared { url, names } })
    }

    /// On a server of their own, which the test may kill, freeze and start again. fsync is on.
    pub async fn private() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("calendar-").tempdir_in(open_folder()?)?;
        // The server does not run as root, and must get in.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open)?;
        let data_dir = DataDir::open(&folder.path().join("data"))?;
        let cluster = Cluster::open(&data_dir, None).await?;
        cluster.ensure().await?;
        let [auth, calendar, notification, activity] =
            [AUTH, CALENDAR, NOTIFICATION, ACTIVITY].map(|database| cluster.url(database));
        Ok(Self {
            auth,
            calendar,
            notification,
            activity,
            server: Server::Private { cluster, data_dir, _folder: folder },
        })
    }

    /// Databases that somebody else tends.
    pub const fn elsewhere(auth: String, calendar: String, notification: String, activity: String) -> Self {
        Self { auth, calendar, notification, activity, server: Server::Elsewhere }
    }

    /// The same databases through a proxy: for those who are to suffer.
    pub fn through(&self, proxy: SocketAddr) -> (String, String) {
        (replace_host(&self.auth, proxy), replace_host(&self.calendar, proxy))
    }

    /// Where the server listens.
    pub fn address(&self) -> Result<SocketAddr> {
        let (_, rest) = self.auth.split_once('@').context("no host in the URL")?;
        let (host, _) = rest.split_once('/').context("no database in the URL")?;
        host.parse().with_context(|| format!("{host} is no address"))
    }

    /// SIGKILL to a private server's postmaster; its children end when they notice.
    pub fn kill_server(&self) -> Result<()> {
        let Server::Private { data_dir, .. } = &self.server else { bail!("the server is not ours to kill") };
        let record = std::fs::read_to_string(data_dir.join("postgres/postmaster.pid"))?;
        let pid = record.lines().next().and_then(|line| Pid::from_raw(line.trim().parse().ok()?));
        Ok(kill_process(pid.context("no process id")?, Signal::KILL)?)
    }

    /// Starts a private server that is gone, as whoever tends it does; returns when it answers.
    pub async fn start_server(&self) -> Result<()> {
        let Server::Private { cluster, .. } = &self.server else { bail!("the server is not ours to start") };
        Ok(cluster.ensure().await?)
    }

    /// Drops the databases, whoever is connected.
    pub async fn remove(&self) -> Result<()> {
        match &self.server {
            Server::Shared { url, names } => {
                let mut connection = PgConnection::connect(url).await?;
                for name in names {
                    let statement = format!("drop database if exists {name} with (force)");
                    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
                }
            }
            Server::Private { cluster, .. } => cluster.stop(crate::wait::PATIENCE).await,
            Server::Elsewhere => {}
        }
        Ok(())
    }
}

/// Not below a closed home directory, and short enough for a socket's path.
fn open_folder() -> Result<&'static Path> {
    let folder = Path::new("/var/tmp");
    folder.exists().then_some(folder).context("no /var/tmp")
}

fn replace_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').unwrap_or((url, ""));
    format!("{server}/{name}")
}

fn replace_host(url: &str, address: SocketAddr) -> String {
    let (user, rest) = url.split_once('@').unwrap_or(("postgres://postgres", url));
    let database = rest.split_once('/').map_or("", |(_, database)| database);
    format!("{user}@{address}/{database}")
}
