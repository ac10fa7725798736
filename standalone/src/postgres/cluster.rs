//! One embedded server: create, start or adopt, tend, stop.

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::error::PostgresError;
use super::owner::Owner;
use super::place::Place;
use super::postmaster;
use super::programs::Programs;
use super::provision::{Database, answers, provision};
use crate::data_dir::DataDir;

/// How long a server may take to answer, crash recovery included.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often the socket is tried meanwhile.
const POLL: Duration = Duration::from_millis(25);
/// How long one try on the socket may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// How often a running server is looked after.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// What must hold whatever `postgresql.conf` says.
const SETTINGS: [&str; 11] = [
    "listen_addresses=",
    "port=5432",
    "unix_socket_permissions=0700",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "logging_collector=off",
    "log_destination=stderr",
    // No row contents in the log.
    "log_error_verbosity=terse",
    "log_checkpoints=off",
    "cluster_name=shared-calendar",
];

/// An embedded server on a data directory that this process has locked.
#[derive(Debug)]
pub struct Cluster {
    place: Place,
    owner: Owner,
    programs: Programs,
}

impl Cluster {
    /// Prepares the server below `data_dir`, creating its data the first time. `chosen` is the
    /// folder with the server programs, else the machine is searched. Nothing is started yet.
    pub async fn open(data_dir: &DataDir, chosen: Option<&Path>) -> Result<Self, PostgresError> {
        let place = Place::below(data_dir)?;
        let owner = Owner::of(&place.data)?;
        owner.check_way_to(data_dir.path())?;
        let major = place.major();
        let programs = Programs::find(chosen, major.map(|major| (major, place.data.as_path())))?;
        let cluster = Self { place, owner, programs };
        cluster.place.make_sockets(&cluster.owner)?;
        if major.is_none() {
            cluster.create().await?;
        }
        Ok(cluster)
    }

    /// Makes the server answer and hold every service's role and database.
    pub async fn ensure(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + PATIENCE;
        let mut started: Option<Started> = None;
        while !self.answers().await {
            let residents = postmaster::residents(&self.place.data);
            match &mut started {
                None if residents.is_empty() => started = Some(self.launch()?),
                None => {}
                Some(started) => started.check(&self.place)?,
            }
            if Instant::now() >= deadline {
                return Err(PostgresError::Silent {
                    data: self.place.data.clone(),
                    seconds: PATIENCE.as_secs(),
                    processes: residents,
                    log: self.place.log.clone(),
                });
            }
            sleep(POLL).await;
        }
        let adopted = started.is_none();
        info!(data = %self.place.data.display(), adopted, "embedded PostgreSQL is up");
        provision(&self.place).await
    }

    /// Starts the server anew whenever it is gone. Never returns; drop it before [`Self::stop`].
    pub async fn tend(&self) {
        loop {
            sleep(TEND_EVERY).await;
            if postmaster::is_alive(&self.place.data) {
                continue;
            }
            warn!("embedded PostgreSQL is gone, starting it again");
            if let Err(failure) = self.ensure().await {
                error!(error = %failure, "embedded PostgreSQL does not start, trying again");
            }
        }
    }

    /// Ends the server and waits until it is gone, at most about `patience` and a second: in order
    /// at first, then without tidying up, which costs the next start a recovery but no data.
    pub async fn stop(&self, patience: Duration) {
        for (signal, patience) in [(Signal::INT, patience), (Signal::QUIT, Duration::from_secs(1))] {
            postmaster::signal(&self.place.data, signal);
            let gone = async {
                while !postmaster::residents(&self.place.data).is_empty() {
                    sleep(POLL).await;
                }
            };
            if timeout(patience, gone).await.is_ok() {
                info!("embedded PostgreSQL has ended");
                return;
            }
        }
        warn!("embedded PostgreSQL has not ended; the next start adopts it");
    }

    /// The URL of a service's database on this server.
    pub fn url(&self, database: Database) -> String {
        database.url(&self.place)
    }

    /// The folder with the server's socket, for `psql -h` and `pg_dump -h`.
    pub fn socket_folder(&self) -> &Path {
        &self.place.sockets
    }

    async fn answers(&self) -> bool {
        timeout(ANSWER_LIMIT, answers(&self.place)).await.unwrap_or(false)
    }

    /// Runs `initdb` on a draft beside the data directory, which takes its place when complete.
    async fn create(&self) -> Result<(), PostgresError> {
        let draft = self.place.make_draft(&self.owner)?;
        let output = self
            .owner
            .command(self.programs.path("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
            .args([locale(), "--data-checksums", "--no-instructions", "--pgdata"])
            .arg(&draft)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(PostgresError::file("run", self.programs.path("initdb")))?;
        if !output.status.success() {
            return Err(self.explain_initdb(&output));
        }
        self.place.keep_draft(&draft)
    }

    fn explain_initdb(&self, output: &Output) -> PostgresError {
        let text = String::from_utf8_lossy(&output.stderr);
        if text.contains("could not look up effective user ID") {
            return PostgresError::NoAccount { uid: self.owner.uid() };
        }
        PostgresError::Program { program: "initdb", reason: last_complaint(&text) }
    }

    /// Starts `postgres` on data that no process lives in.
    fn launch(&self) -> Result<Started, PostgresError> {
        postmaster::clear_remains(&self.place.data, &self.place.sockets)?;
        self.place.make_sockets(&self.owner)?;
        let (log, log_start) = self.place.open_log()?;
        let stderr = log.try_clone().map_err(PostgresError::file("share", &self.place.log))?;
        // The value is a list: quotes keep a comma in the path from splitting it.
        let folder = self.place.sockets.to_string_lossy().replace('"', "\"\"");
        let mut command = self.owner.command(self.programs.path("postgres"));
        command.arg("-D").arg(&self.place.data);
        command.arg("-c").arg(format!("unix_socket_directories=\"{folder}\""));
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        let child = command.stdin(Stdio::null()).stdout(log).stderr(stderr).spawn();
        let child = child.map_err(PostgresError::file("run", self.programs.path("postgres")))?;
        Ok(Started { child, log_start })
    }
}

/// A server that we started and that does not answer yet.
struct Started {
    child: Child,
    /// Where in the log it begins to speak.
    log_start: u64,
}

impl Started {
    /// Fails with what the server said when it ended instead of answering.
    fn check(&mut self, place: &Place) -> Result<(), PostgresError> {
        let Ok(Some(_)) = self.child.try_wait() else {
            return Ok(());
        };
        let log = fs::read(&place.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(0).min(log.len());
        let text = String::from_utf8_lossy(&log[start..]);
        Err(PostgresError::Program { program: "postgres", reason: last_complaint(&text) })
    }
}

/// The text order and letter cases of the databases: Unicode where the machine can.
fn locale() -> &'static str {
    // macOS has C.UTF-8 only of late, and each of its UTF-8 locales shares one ctype table.
    if cfg!(target_os = "macos") { "--locale=en_US.UTF-8" } else { "--locale=C.UTF-8" }
}

/// The line that tells why a server program gave up.
fn last_complaint(text: &str) -> String {
    let tells = |line: &&str| ["FATAL:", "PANIC:", "error:"].iter().any(|word| line.contains(word));
    let line = text.lines().rev().find(tells).or_else(|| text.lines().rev().find(|l| !l.is_empty()));
    line.unwrap_or("it said nothing").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_complaint_is_the_line_that_tells_why() {
        let text = "LOG:  starting\n12:00 [7] FATAL:  no space\n12:00 [7] LOG:  shut down\n";
        assert_eq!(last_complaint(text), "12:00 [7] FATAL:  no space");
        assert_eq!(last_complaint("initdb: bad\n\n"), "initdb: bad");
        assert_eq!(last_complaint(""), "it said nothing");
    }
}
