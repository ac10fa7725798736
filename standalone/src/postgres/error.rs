//! What can go wrong with the embedded server, each in one line that says what to do.

use std::io;
use std::path::PathBuf;

/// A failure to find, create, start or stop the embedded PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No directory holds `initdb` and `postgres`.
    #[error(
        "no PostgreSQL server programs (initdb, postgres) were found: {hint}, or set \
         POSTGRES_BIN_DIR, or point AUTH_DATABASE_URL, CALENDAR_DATABASE_URL, NOTIFICATION_DATABASE_URL and \
         ACTIVITY_DATABASE_URL at a server"
    )]
    NoPrograms {
        /// The command of this machine's package manager.
        hint: String,
    },

    /// The data were written by a major version that is not installed.
    #[error(
        "{data} was written by PostgreSQL {wanted}, but only {found} is installed: install \
         PostgreSQL {wanted}, or set POSTGRES_BIN_DIR to its programs"
    )]
    OtherMajor {
        /// The data directory.
        data: PathBuf,
        /// The major version in its `PG_VERSION`.
        wanted: u32,
        /// The major versions found, for people.
        found: String,
    },

    /// The newest server found is older than the queries need.
    #[error("PostgreSQL {found} is too old: version {oldest} or newer is needed")]
    TooOld {
        /// The newest major version found.
        found: u32,
        /// The oldest that works.
        oldest: u32,
    },

    /// root may not run PostgreSQL, and there is nobody to run it as.
    #[error(
        "PostgreSQL refuses to run as root, and /etc/passwd has neither `postgres` nor `nobody`: add one"
    )]
    NoOwner,

    /// The data directory belongs to somebody else.
    #[error(
        "{path} belongs to user id {owner}, and this process runs as user id {ours}: run as that user, or choose another DATA_DIR"
    )]
    ForeignData {
        /// The directory in question.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Who we are.
        ours: u32,
    },

    /// The account that runs the server cannot reach the data directory.
    #[error(
        "user {user}, who runs PostgreSQL for root, may not enter {path}: set DATA_DIR to a directory outside of it"
    )]
    ClosedParent {
        /// The account.
        user: String,
        /// The first directory on the way that it may not enter.
        path: PathBuf,
    },

    /// The user id has no account, which `initdb` insists on.
    #[error(
        "user id {uid} has no entry in /etc/passwd, which PostgreSQL needs: add one, or run as another user"
    )]
    NoAccount {
        /// The user id.
        uid: u32,
    },

    /// A server program ended badly.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which one.
        program: &'static str,
        /// The last thing it said.
        reason: String,
    },

    /// The server did not begin to answer in time.
    #[error("PostgreSQL on {data} does not answer after {seconds} s (process ids {processes:?}); see {log}")]
    Silent {
        /// The data directory.
        data: PathBuf,
        /// How long we waited.
        seconds: u64,
        /// The processes that live in the data directory.
        processes: Vec<i32>,
        /// Where the server writes its log.
        log: PathBuf,
    },

    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },

    /// Creating the roles and databases failed.
    #[error("cannot create the roles and databases: {0}")]
    Provision(#[from] sqlx::Error),
}

impl PostgresError {
    /// Shapes an `io::Error` with what was tried on which path.
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
