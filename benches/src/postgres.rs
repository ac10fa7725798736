//! The private PostgreSQL of a run: fsync on, data that begin empty, a socket that
//! nobody else reaches.
//!
//! The embedded server of `standalone` does the same with more care, and brings
//! every service along; a load program that links them takes minutes to build.

use std::{
    env, fs,
    os::unix::fs::{DirBuilderExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::process::Process;

/// How long the server may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);
/// Connections of the load program to one database: as many as its callers.
const CONNECTIONS: u32 = 16;
/// What the embedded server holds on to as well; all else is PostgreSQL's default.
const SETTINGS: [&str; 4] = ["listen_addresses=", "fsync=on", "full_page_writes=on", "synchronous_commit=on"];

/// A running server; dropping it ends it at once.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    process: Process,
    sockets: PathBuf,
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

/// PostgreSQL refuses to run as root.
#[derive(Clone, Copy, Debug)]
struct Owner(Option<(u32, u32)>);

// === impl Postgres ===

impl Postgres {
    /// Starts a server on empty data in `folder`, with a role and a database a service.
    pub async fn start(folder: &Path) -> Result<Self> {
        let programs = programs()?;
        let owner = Owner::find()?;
        let (data, sockets) = (folder.join("postgres"), folder.join("sockets"));
        for own in [&data, &sockets] {
            if own.exists() {
                fs::remove_dir_all(own)?;
            }
            fs::DirBuilder::new().mode(0o700).create(own)?;
            owner.adopt(own)?;
        }
        let initdb = owner
            .command(&programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
            .args(["--data-checksums", "--no-instructions", "--pgdata"])
            .arg(&data)
            .output()
            .await?;
        ensure!(initdb.status.success(), "initdb: {}", String::from_utf8_lossy(&initdb.stderr));
        let log = fs::File::create(folder.join("postgres.log"))?;
        let mut command = owner.command(&programs.join("postgres"));
        command.arg("-D").arg(&data).arg("-k").arg(&sockets);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let server = command.stdout(log.try_clone()?).stderr(log).spawn()?;
        let process = Process::new(server.id().context("it ended at once")?);
        let mut postgres = Self { server, process, sockets };
        postgres.provision().await?;
        Ok(postgres)
    }

    /// The postmaster; its family is the server.
    pub const fn process(&self) -> Process {
        self.process
    }

    /// The URL of auth-service's database.
    pub fn auth_url(&self) -> String {
        self.url("auth", "auth")
    }

    /// The URL of calendar-service's database.
    pub fn calendar_url(&self) -> String {
        self.url("calendar", "calendar")
    }

    /// The URL of activity-service's database.
    pub fn activity_url(&self) -> String {
        self.url("activity", "activity")
    }

    /// The URL of notification-service's database.
    pub fn notification_url(&self) -> String {
        self.url("notification", "notification")
    }

    /// A database with the tables of notification-service that it knows nothing of.
    pub async fn notification_twin(&self) -> Result<PgPool> {
        let mut superuser = self.superuser().await?;
        let create = "create database notification_twin owner notification";
        sqlx::raw_sql(create).execute(&mut superuser).await?;
        superuser.close().await?;
        self.twin("notification", "notification_twin").await
    }

    /// The load program's own pool to a database.
    pub async fn pool(url: &str) -> Result<PgPool> {
        Ok(PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false).connect(url).await?)
    }

    /// Databases with the services' tables that no service knows of.
    pub async fn twins(&self) -> Result<Twins> {
        let mut superuser = self.superuser().await?;
        sqlx::raw_sql("create database calendar_twin owner calendar").execute(&mut superuser).await?;
        sqlx::raw_sql("create database auth_twin owner auth").execute(&mut superuser).await?;
        superuser.close().await?;
        Ok(Twins {
            auth: self.twin("auth", "auth_twin").await?,
            calendar: self.twin("calendar", "calendar_twin").await?,
        })
    }

    /// Ends the server and waits for that.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.server.id().and_then(|pid| Pid::from_raw(pid as i32)) {
            kill_process(pid, Signal::INT)?;
        }
        timeout(PATIENCE, self.server.wait()).await.context("PostgreSQL does not end")??;
        Ok(())
    }

    /// Waits until the server answers; makes the roles and databases.
    async fn provision(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut superuser = loop {
            match self.superuser().await {
                Ok(connection) => break connection,
                Err(error) if Instant::now() > deadline || self.server.try_wait()?.is_some() => {
                    return Err(error).context("PostgreSQL does not start");
                }
                Err(_) => sleep(Duration::from_millis(25)).await,
            }
        };
        for statement in [
            "create role auth login",
            "create database auth owner auth",
            "create role activity login",
            "create database activity owner activity",
            "create role calendar login",
            "create database calendar owner calendar",
            "create role notification login",
            "create database notification owner notification",
        ] {
            sqlx::raw_sql(statement).execute(&mut superuser).await?;
        }
        Ok(superuser.close().await?)
    }

    async fn superuser(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass();
        options.socket(&self.sockets).port(5432).username("postgres").database("postgres").connect().await
    }

    async fn twin(&self, service: &str, database: &str) -> Result<PgPool> {
        let pool = Self::pool(&self.url(service, database)).await?;
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("migrations").join(service);
        Migrator::new(migrations).await?.run(&pool).await?;
        Ok(pool)
    }

    fn url(&self, role: &str, database: &str) -> String {
        let folder = self.sockets.display().to_string().replace('%', "%25").replace(' ', "%20");
        format!("postgres://{role}@localhost:5432/{database}?host={folder}&sslmode=disable")
    }
}

// === impl Owner ===

impl Owner {
    /// Ourselves, or for root the account `postgres`, else `nobody`.
    fn find() -> Result<Self> {
        if !geteuid().is_root() {
            return Ok(Self(None));
        }
        let accounts = fs::read_to_string("/etc/passwd")?;
        let account = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut numbers = line.split(':').skip(2).map(str::parse);
            Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
        };
        let found = account("postgres").or_else(|| account("nobody"));
        Ok(Self(Some(found.context("there is neither postgres nor nobody to run the server")?)))
    }

    fn adopt(self, folder: &Path) -> Result<()> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        Ok(chown(folder, Some(user), Some(group))?)
    }

    fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("LC_ALL", "C").env("TZ", "UTC").current_dir("/");
        command.stdin(Stdio::null()).kill_on_drop(true);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}

/// Where the server's programs are: `POSTGRES_BIN_DIR`, else the newest that is installed.
fn programs() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("POSTGRES_BIN_DIR") {
        return Ok(folder.into());
    }
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest = installed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).max();
    match newest {
        Some(version) => Ok(format!("/usr/lib/postgresql/{version}/bin").into()),
        None => bail!("no PostgreSQL programs: set POSTGRES_BIN_DIR"),
    }
}
