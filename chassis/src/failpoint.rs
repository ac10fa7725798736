//! Named points where a debug build can be told to die, hang or refuse.
//!
//! `FAILPOINTS="saga.t1.after=kill;auth.reserve.before=2*refuse"` arms points
//! at start; [`set`] arms them in a test's own process. Without debug
//! assertions [`hit`] is empty and the variable is never read.

use crate::fault::Fault;

/// What an armed point does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// SIGKILL to the own process: nothing is flushed, nothing is said.
    Kill,
    /// The step answers `unavailable` without running.
    Refuse,
    /// The step never returns: the caller sees a timeout.
    Hang,
}

#[cfg(debug_assertions)]
mod armed {
    use std::{
        collections::HashMap,
        sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    };

    use super::Action;

    /// Remaining hits; `None` is "for ever".
    type Arms = HashMap<String, (Action, Option<u32>)>;

    static ARMS: LazyLock<Mutex<Arms>> =
        LazyLock::new(|| Mutex::new(parse(&std::env::var("FAILPOINTS").unwrap_or_default())));

    pub(super) fn lock() -> MutexGuard<'static, Arms> {
        ARMS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn parse(list: &str) -> Arms {
        list.split(';').filter_map(|arm| arm.split_once('=')).filter_map(entry).collect()
    }

    fn entry((name, spec): (&str, &str)) -> Option<(String, (Action, Option<u32>))> {
        let (times, action) = match spec.split_once('*') {
            Some((times, action)) => (Some(times.trim().parse().ok()?), action),
            None => (None, spec),
        };
        let action = match action.trim() {
            "kill" => Action::Kill,
            "refuse" => Action::Refuse,
            "hang" => Action::Hang,
            _ => return None,
        };
        Some((name.trim().to_owned(), (action, times)))
    }

    /// Uses up one hit of the point, if it is armed.
    pub(super) fn take(name: &str) -> Option<Action> {
        let mut arms = lock();
        let (action, times) = arms.get_mut(name)?;
        match times {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(*action)
            }
            None => Some(*action),
        }
    }
}

/// Arms a point in this process, for `times` hits or for ever. Debug builds only.
#[cfg(debug_assertions)]
pub fn set(name: &str, action: Action, times: Option<u32>) {
    armed::lock().insert(name.to_owned(), (action, times));
}

/// Disarms a point in this process. Debug builds only.
#[cfg(debug_assertions)]
pub fn clear(name: &str) {
    armed::lock().remove(name);
}

/// How many hits an armed point still answers; none when it is not armed, or
/// armed for ever. Lets a test wait until a point was reached. Debug builds only.
#[cfg(debug_assertions)]
pub fn left(name: &str) -> Option<u32> {
    armed::lock().get(name).and_then(|(_, times)| *times)
}

/// Passes the point `name`: does nothing unless a debug build armed it.
#[cfg(debug_assertions)]
pub async fn hit(name: &str) -> Result<(), Fault> {
    let Some(action) = armed::take(name) else { return Ok(()) };
    tracing::warn!(failpoint = name, ?action, "failpoint hit");
    match action {
        Action::Kill => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::process::abort()
        }
        Action::Refuse => Err(Fault::unavailable(format_args!("failpoint {name}"))),
        Action::Hang => std::future::pending().await,
    }
}

/// Passes the point `name`: release builds have no failpoints.
#[cfg(not(debug_assertions))]
#[expect(clippy::unused_async, reason = "the same signature as in debug builds")]
pub async fn hit(_name: &str) -> Result<(), Fault> {
    Ok(())
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    fn the_variable_names_points_actions_and_counts() {
        let arms = armed::parse("a=kill; b = 2*refuse ;c=hang;d=nonsense;e");
        assert_eq!(arms.get("a"), Some(&(Action::Kill, None)));
        assert_eq!(arms.get("b"), Some(&(Action::Refuse, Some(2))));
        assert_eq!(arms.get("c"), Some(&(Action::Hang, None)));
        assert_eq!(arms.len(), 3);
    }

    #[tokio::test]
    async fn a_counted_point_stops_firing() {
        set("test.counted", Action::Refuse, Some(2));
        assert!(hit("test.counted").await.is_err());
        assert_eq!(left("test.counted"), Some(1));
        assert!(hit("test.counted").await.is_err());
        assert!(hit("test.counted").await.is_ok());
        assert!(hit("test.never_armed").await.is_ok());
    }
}
