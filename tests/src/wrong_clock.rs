//! A clock that is wrong, for one process: libfaketime. Everybody else keeps the right time.
//!
//! What waits is not lied to: the monotonic clock goes on as it does when an operator, or NTP, sets a
//! machine's time.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

/// How far one process is from the right time; it can be changed while the process runs.
#[derive(Debug)]
pub struct WrongClock {
    library: String,
    folder: TempDir,
}

// === impl WrongClock ===

impl WrongClock {
    /// A clock that is right so far. Fails where libfaketime is not installed.
    pub async fn right() -> Result<Self> {
        // Where the library is differs by distribution: its own wrapper knows. `-m`: for programs with threads.
        let asked = Command::new("faketime")
            .args(["-m", "-f", "+0", "sh", "-c", "echo \"$LD_PRELOAD\""])
            .output()
            .await
            .context("cannot run faketime: is the package installed?")?;
        let library = String::from_utf8(asked.stdout)?.trim().to_owned();
        ensure!(library.contains("libfaketime"), "faketime preloads nothing: {library:?}");
        let this = Self { library, folder: tempfile::tempdir()? };
        this.set("+0")?;
        Ok(this)
    }

    /// From now on it is so far ahead, such as `+1h`, or behind, such as `-1d`.
    pub fn set(&self, offset: &str) -> Result<()> {
        // Put in place whole: the process reads it whenever it asks for the time.
        let draft = self.folder.path().join("draft");
        fs::write(&draft, format!("{offset}\n"))?;
        Ok(fs::rename(draft, self.file())?)
    }

    /// What the process is started with.
    pub fn variables(&self) -> [(&'static str, String); 4] {
        [
            ("LD_PRELOAD", self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE", self.file().display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }
}
