//! Where a test leaves what whoever reads its failure wants to see.

use std::{fs, path::PathBuf};

use anyhow::Result;

/// A folder of this name below the build's target folder.
pub fn target(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let folder = target.map_or_else(std::env::temp_dir, PathBuf::from).join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
