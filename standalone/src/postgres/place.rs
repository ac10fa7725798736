//! Where the embedded server keeps its files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::error::PostgresError;
use super::owner::Owner;
use crate::data_dir::DataDir;

/// The name of the socket in its folder; the port is only a part of the name.
pub(crate) const SOCKET_FILE: &str = ".s.PGSQL.5432";

/// The longest socket path that every system takes (Linux 107 bytes, macOS 103).
const LONGEST_SOCKET_PATH: usize = 100;

/// The log is put aside at a start when it is longer than this, in bytes.
const LOG_LIMIT: u64 = 8 << 20;

/// The paths of one embedded server. What root writes (the log) lies outside of the folders that
/// belong to the server's account.
#[derive(Debug, Clone)]
pub struct Place {
    parent: PathBuf,
    /// PostgreSQL's data directory.
    pub data: PathBuf,
    /// The folder with the socket: inside the data directory's parent, unless that path is too long.
    pub sockets: PathBuf,
    /// The server's log.
    pub log: PathBuf,
}

impl Place {
    /// The paths below a data directory.
    pub fn below(data_dir: &DataDir) -> Result<Self, PostgresError> {
        let parent = data_dir.path().to_path_buf();
        let mut sockets = parent.join("run");
        if sockets.join(SOCKET_FILE).as_os_str().as_bytes().len() > LONGEST_SOCKET_PATH {
            let found = fs::metadata(&parent).map_err(PostgresError::file("look at", &parent))?;
            let name = format!("shared-calendar-{:x}-{:x}", found.dev(), found.ino());
            sockets = Path::new("/tmp").join(name);
        }
        Ok(Self { data: parent.join("postgres"), log: parent.join("postgres.log"), sockets, parent })
    }

    /// The major version of the server that wrote the data, when there are data.
    pub fn major(&self) -> Option<u32> {
        let version = fs::read_to_string(self.data.join("PG_VERSION")).ok()?;
        version.trim().parse().ok()
    }

    /// Makes the socket's folder, for the owner alone. Somebody else's folder of that name (it may
    /// lie in `/tmp`) is refused.
    pub fn make_sockets(&self, owner: &Owner) -> Result<(), PostgresError> {
        let folder = &self.sockets;
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => owner.adopt(folder),
            Err(exists) if exists.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(folder).map_err(PostgresError::file("look at", folder))?;
                if !found.is_dir() || found.uid() != owner.uid() || found.mode() & 0o077 != 0 {
                    let ours = owner.uid();
                    let path = folder.clone();
                    return Err(PostgresError::ForeignData { path, owner: found.uid(), ours });
                }
                Ok(())
            }
            Err(source) => Err(PostgresError::file("create", folder)(source)),
        }
    }

    /// An empty folder of the owner's for `initdb`, beside the data directory. Leftovers of starts
    /// that were killed are removed.
    pub fn make_draft(&self, owner: &Owner) -> Result<PathBuf, PostgresError> {
        const PREFIX: &str = "postgres.new-";
        let entries = fs::read_dir(&self.parent).map_err(PostgresError::file("list", &self.parent))?;
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
                let path = entry.path();
                fs::remove_dir_all(&path).map_err(PostgresError::file("remove", path))?;
            }
        }
        // A new name each time: an `initdb` orphaned by a kill may still write to the old one.
        let draft = self.parent.join(format!("{PREFIX}{:08x}", rand::random::<u32>()));
        let created = DirBuilder::new().mode(0o700).create(&draft);
        created.map_err(PostgresError::file("create", &draft))?;
        owner.adopt(&draft)?;
        Ok(draft)
    }

    /// Makes the finished draft the data directory, in one step that survives a power cut.
    pub fn keep_draft(&self, draft: &Path) -> Result<(), PostgresError> {
        fs::rename(draft, &self.data).map_err(PostgresError::file("rename", draft))?;
        let sync = File::open(&self.parent).and_then(|folder| folder.sync_all());
        sync.map_err(PostgresError::file("sync", &self.parent))
    }

    /// Opens the log for a new server to append to, and tells its length so far.
    pub fn open_log(&self) -> Result<(File, u64), PostgresError> {
        let length = fs::metadata(&self.log).map_or(0, |found| found.len());
        if length > LOG_LIMIT {
            let aside = self.log.with_extension("log.1");
            fs::rename(&self.log, aside).map_err(PostgresError::file("rename", &self.log))?;
        }
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.log);
        let log = log.map_err(PostgresError::file("open", &self.log))?;
        let length = log.metadata().map_err(PostgresError::file("look at", &self.log))?.len();
        Ok((log, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_folder_and_always_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let short = DataDir::open(folder.path()).expect("free");
        let place = Place::below(&short).expect("it exists");
        assert_eq!(place.sockets, short.join("run"));

        let long = DataDir::open(&folder.path().join("x".repeat(120))).expect("free");
        let place = Place::below(&long).expect("it exists");
        assert!(place.sockets.join(SOCKET_FILE).as_os_str().len() <= LONGEST_SOCKET_PATH);
        assert_eq!(place.sockets, Place::below(&long).expect("it exists").sockets);
    }

    #[test]
    fn an_open_socket_folder_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = DataDir::open(folder.path()).expect("free");
        let place = Place::below(&data_dir).expect("it exists");
        let owner = Owner::Ourselves { uid: rustix::process::geteuid().as_raw() };
        place.make_sockets(&owner).expect("made");
        place.make_sockets(&owner).expect("still ours");
        fs::remove_dir(&place.sockets).expect("empty");
        DirBuilder::new().mode(0o777).create(&place.sockets).expect("made");
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(&place.sockets, open).expect("opened");
        assert!(place.make_sockets(&owner).is_err());
    }

    #[test]
    fn a_killed_start_leaves_nothing_for_the_next() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = DataDir::open(folder.path()).expect("free");
        let place = Place::below(&data_dir).expect("it exists");
        let owner = Owner::Ourselves { uid: rustix::process::geteuid().as_raw() };
        let first = place.make_draft(&owner).expect("made");
        let second = place.make_draft(&owner).expect("made");
        assert!(!first.exists() && second.exists());
        place.keep_draft(&second).expect("kept");
        assert!(place.data.is_dir());
    }
}
