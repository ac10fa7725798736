//! Where data is kept by default.

use std::{env, path::PathBuf};

/// `$XDG_DATA_HOME/shared-calendar`, for root a system folder (CONTRACTS,
/// General, Settings). `None` without a home.
pub(super) fn default_data_dir() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/var/lib/shared-calendar"));
    }
    let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let parent = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")))?;
    Some(parent.join("shared-calendar"))
}
