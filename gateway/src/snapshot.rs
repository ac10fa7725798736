//! Files in `docs/` that are generated: a test compares, `UPDATE_DOCS=1` writes.

use std::{env, fs, path::Path};

/// Wants the file at this path of the repository to have this content.
#[track_caller]
pub(crate) fn assert_same(path: &str, content: &str) {
    let path = repository().join(path);
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, content).expect("the file can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == content, "{} is stale: run the test with UPDATE_DOCS=1", path.display());
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> String {
    let path = repository().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}
