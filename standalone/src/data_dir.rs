//! `DATA_DIR`: where everything that outlives a run is kept, one process at a time.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Where root keeps the data by default.
const ROOTS_PLACE: &str = "/var/lib/shared-calendar";

/// The data directory, locked for this process until dropped. The kernel lets go of the lock when a
/// process dies, however it dies.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Neither `DATA_DIR` nor `XDG_DATA_HOME` nor `HOME` says where.
    #[error("no HOME to keep data under: set DATA_DIR")]
    Homeless,
    /// Another process has it.
    #[error("{0} is in use by another shared-calendar: stop that one, or set another DATA_DIR")]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("cannot use DATA_DIR {path}: {source}")]
    File {
        /// The path concerned.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DataDir {
    /// Creates `path` where it is missing, and takes the lock.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::File { path: path.to_path_buf(), source };
        // root's server runs under another account, which must pass through but may not list.
        let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The directory, absolute and without links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The default of `DATA_DIR`: `$XDG_DATA_HOME/shared-calendar`, for root a system folder.
pub fn default_path() -> Result<PathBuf, DataDirError> {
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if geteuid().is_root() {
        return Ok(PathBuf::from(ROOTS_PLACE));
    }
    variable("XDG_DATA_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".local/share")))
        .map(|parent| parent.join("shared-calendar"))
        .ok_or(DataDirError::Homeless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a/b");
        let first = DataDir::open(&path).expect("free");
        let refused = DataDir::open(&path).expect_err("taken").to_string();
        assert!(refused.contains("another shared-calendar"), "{refused}");
        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "").expect("a file");
        let refused = DataDir::open(&path).expect_err("not a folder").to_string();
        assert!(refused.contains("DATA_DIR") && refused.contains("file"), "{refused}");
    }
}
