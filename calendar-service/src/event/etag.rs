//! Etags: opaque to clients, the revision to us.

use chassis::fault::{Fault, Reason};

use crate::store::etag;

/// The etag of a revision.
pub(super) fn of(revision: i64) -> String {
    etag(revision)
}

/// Passes when `if_match` (RFC 9110, 13.1.1: `*`, or etags, quoted or as they
/// stand in our JSON) names this revision; `stale` otherwise. Weak ones never
/// match.
pub(super) fn check(if_match: &str, revision: i64) -> Result<(), Fault> {
    let current = of(revision);
    let names_it = |tag: &str| tag == "*" || tag.trim_matches('"') == current;
    if if_match.split(',').map(str::trim).any(names_it) { Ok(()) } else { Err(stale()) }
}

/// Whether the caller wants it whatever the revision.
pub(super) fn is_any(if_match: &str) -> bool {
    if_match.trim() == "*"
}

pub(super) fn stale() -> Fault {
    Fault::of(Reason::Stale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_revision_or_a_star_passes() {
        for passes in ["*", "r3", "\"r3\"", "\"r1\", \"r3\""] {
            assert!(check(passes, 3).is_ok(), "{passes}");
        }
        for stale in ["", "r2", "\"r33\"", "W/\"r3\"", "\"r1\", \"r2\""] {
            assert!(check(stale, 3).is_err(), "{stale}");
        }
    }
}
