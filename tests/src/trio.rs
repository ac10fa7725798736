//! A PostgreSQL primary and two standbys of one test, with the settings of
//! `scripts/cluster/postgres`: a commit waits for one of the two.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection, Postgres, postgres::PgRow};
use standalone::postgres::{Owner, Programs};
use tempfile::TempDir;
use test_support::ports;
use tokio::process::{Child, Command};

use crate::{
    databases::Databases,
    folder,
    truth::Truth,
    wait::{until, until_within},
};

/// The databases, each of one service.
const SERVICES: [&str; 4] = ["auth", "calendar", "notification", "activity"];
/// For three servers on a busy machine.
const START: Duration = Duration::from_secs(30);

/// One of the three. They change their roles, but not their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The primary at the start.
    First,
    /// The standby that `ANY 1 (a, b)` calls `a`.
    A,
    /// The one that it calls `b`.
    B,
}

/// Three servers; dropping them ends them.
#[derive(Debug)]
pub struct Trio {
    servers: [Server; 3],
    programs: Programs,
    owner: Owner,
    log: PathBuf,
    folder: TempDir,
}

#[derive(Debug)]
struct Server {
    address: SocketAddr,
    data: PathBuf,
    /// Whom it follows; nobody: it is a primary.
    follows: Option<Name>,
    child: Option<Child>,
}

// === impl Name ===

impl Name {
    const ALL: [Self; 3] = [Self::First, Self::A, Self::B];

    const fn text(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::A => "a",
            Self::B => "b",
        }
    }
}

// === impl Trio ===

impl Trio {
    /// Starts all three, with an empty database for each service. `name` is that of the log.
    pub async fn start(name: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("calendar-").tempdir_in("/var/tmp")?;
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), open)?;
        let data = |name: Name| folder.path().join(name.text());
        // Root hands the servers to an account that they accept.
        let owner = Owner::of(&data(Name::First))?;
        owner.adopt(folder.path())?;
        let programs = Programs::find(None, None)?;
        let server =
            |name, follows| Server { address: ports::free(), data: data(name), follows, child: None };
        let servers = [
            server(Name::First, None),
            server(Name::A, Some(Name::First)),
            server(Name::B, Some(Name::First)),
        ];
        let log = folder::target("programs")?.join(format!("{name}.log"));
        File::create(&log)?;
        let mut this = Self { servers, programs, owner, log, folder };
        this.make_data().await?;
        for name in Name::ALL {
            this.start_again(name).await?;
        }
        this.is_followed_by(Name::First, 2).await?;
        for service in SERVICES {
            let statement = sqlx::AssertSqlSafe(format!("create database {service}"));
            sqlx::raw_sql(statement).execute(&mut this.connect(Name::First).await?).await?;
        }
        Ok(this)
    }

    /// Made once and copied: the three are one system.
    async fn make_data(&self) -> Result<()> {
        let first = self.folder.path().join(Name::First.text());
        let mut initdb = self.owner.command(self.programs.path("initdb"));
        initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        run(initdb.arg(&first)).await?;
        let settings = folder::repository().join("scripts/cluster/postgres/postgresql.conf");
        fs::copy(settings, self.folder.path().join("postgresql.conf"))?;
        for name in [Name::A, Name::B] {
            run(self.owner.command("cp").arg("-a").arg(&first).arg(&self.of(name).data)).await?;
        }
        Ok(())
    }

    /// The databases where they are at the start.
    pub fn databases(&self) -> Databases {
        let [auth, calendar, notification, activity] = SERVICES.map(|service| self.url(Name::First, service));
        Databases::elsewhere(auth, calendar, notification, activity)
    }

    /// What tells the services that there are three servers: variables and values.
    pub fn replicas(&self) -> Vec<(String, String)> {
        let setting = |service: &str| {
            let urls = [Name::A, Name::B].map(|name| self.url(name, service)).join(",");
            (format!("{}_REPLICA_URLS", service.to_uppercase()), urls)
        };
        SERVICES.map(setting).into()
    }

    /// What is true on this server.
    pub fn truth(&self, name: Name) -> Result<Truth> {
        Truth::at(&self.url(name, "auth"), &self.url(name, "calendar"))
    }

    /// SIGKILL to a server, waited for.
    pub async fn kill(&mut self, name: Name) -> Result<()> {
        Ok(self.of_mut(name).child.take().context("does not run")?.kill().await?)
    }

    /// Starts a server that was killed, as what it was, and waits until it answers.
    pub async fn start_again(&mut self, name: Name) -> Result<()> {
        let signal = self.of(name).data.join("standby.signal");
        let conninfo = self.of(name).follows.map(|primary| {
            let port = self.of(primary).address.port();
            format!("host=127.0.0.1 port={port} user=postgres application_name={}", name.text())
        });
        if conninfo.is_some() {
            run(self.owner.command("touch").arg(&signal)).await?;
        }
        let spawn = || -> Result<Child> {
            let server = self.of(name);
            let log = File::options().append(true).open(&self.log)?;
            let mut command = self.owner.command(self.programs.path("postgres"));
            command.arg("-D").arg(&server.data);
            let config = self.folder.path().join("postgresql.conf");
            command.args(["-c", &format!("config_file={}", config.display())]);
            command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
            command.args(["-c", &format!("port={}", server.address.port())]);
            // The machine goes on when a process is killed, and so does what it has not written yet.
            command.args(["-c", "fsync=off", "-c", "shared_buffers=32MB"]);
            // It would take transaction ids, which tests count.
            command.args(["-c", "autovacuum=off"]);
            if let Some(conninfo) = &conninfo {
                command.args(["-c", &format!("primary_conninfo={conninfo}")]);
            }
            Ok(command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?)
        };
        let mut child = spawn()?;
        until_within(START, "a server", async || {
            // The children of one that was killed hold its memory for a moment.
            if let Ok(Some(_)) = child.try_wait() {
                child = spawn().ok()?;
            }
            self.connect(name).await.ok()
        })
        .await
        .with_context(|| format!("see {}", self.log.display()))?;
        self.of_mut(name).child = Some(child);
        Ok(())
    }

    /// Makes a standby the primary; returns when it takes writes.
    pub async fn promote(&mut self, name: Name) -> Result<()> {
        let promoted: bool = self.ask(name, "select pg_promote()").await?;
        ensure!(promoted, "{} cannot be promoted", name.text());
        self.of_mut(name).follows = None;
        Ok(())
    }

    /// Lets a standby follow another primary.
    pub async fn follow(&mut self, name: Name, primary: Name) -> Result<()> {
        self.kill(name).await?;
        self.of_mut(name).follows = Some(primary);
        self.start_again(name).await
    }

    /// The standby that has received more of the log, and the other one.
    pub async fn by_progress(&self) -> Result<(Name, Name)> {
        const RECEIVED: &str = "select pg_wal_lsn_diff(pg_last_wal_receive_lsn(), '0/0')::bigint";
        let (a, b): (i64, i64) = (self.ask(Name::A, RECEIVED).await?, self.ask(Name::B, RECEIVED).await?);
        Ok(if a >= b { (Name::A, Name::B) } else { (Name::B, Name::A) })
    }

    /// Waits until so many standbys stream from this server.
    pub async fn is_followed_by(&self, name: Name, count: i64) -> Result<()> {
        const STREAMING: &str = "select count(*) from pg_stat_replication where state = 'streaming'";
        until("standbys that stream", async || {
            (self.ask::<i64>(name, STREAMING).await.ok()? == count).then_some(())
        })
        .await
    }

    /// Lets a standby receive the log and not apply it, or apply it again.
    pub async fn pause_replay(&self, name: Name, pause: bool) -> Result<()> {
        let statement = if pause { "select pg_wal_replay_pause()" } else { "select pg_wal_replay_resume()" };
        sqlx::query(statement).execute(&mut self.connect(name).await?).await?;
        Ok(())
    }

    /// The id of the next transaction that writes: as long as it stays, nothing was written, nor tried.
    pub async fn next_transaction(&self, name: Name) -> Result<i64> {
        self.ask(name, "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint").await
    }

    /// Lets commits wait for nobody, as an operator does in an emergency, and forgets to undo.
    pub async fn wait_for_nobody(&self, name: Name) -> Result<()> {
        let mut connection = self.connect(name).await?;
        sqlx::query("alter system set synchronous_standby_names = ''").execute(&mut connection).await?;
        sqlx::query("select pg_reload_conf()").execute(&mut connection).await?;
        Ok(())
    }

    async fn ask<T>(&self, name: Name, question: &'static str) -> Result<T>
    where
        (T,): for<'r> sqlx::FromRow<'r, PgRow>,
        T: Send + Unpin + sqlx::Type<Postgres> + for<'r> sqlx::Decode<'r, Postgres> + 'static,
    {
        let mut connection = self.connect(name).await?;
        Ok(sqlx::query_scalar(question).fetch_one(&mut connection).await?)
    }

    async fn connect(&self, name: Name) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.url(name, "postgres")).await?)
    }

    fn url(&self, name: Name, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.of(name).address)
    }

    const fn of(&self, name: Name) -> &Server {
        &self.servers[name as usize]
    }

    const fn of_mut(&mut self, name: Name) -> &mut Server {
        &mut self.servers[name as usize]
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for server in &self.servers {
            let pid =
                server.child.as_ref().and_then(Child::id).and_then(|id| Pid::from_raw(id.cast_signed()));
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::QUIT);
            }
        }
    }
}

/// Runs a program to its end.
async fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {said}", Path::new(command.as_std().get_program()).display());
    Ok(())
}
