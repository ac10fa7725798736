//! Rebuilds when a migration changes: `migrate!` alone does not notice.

fn main() {
    println!("cargo::rerun-if-changed=../migrations/notification");
}
