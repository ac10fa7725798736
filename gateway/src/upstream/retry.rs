//! What is tried again: idempotent methods, once, within a budget (PROMISES,
//! rule 6). Calls are retried here and handshakes of sockets in
//! [`crate::tunnel`], by the same rules, and nothing above or below them.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// Methods that change nothing, by their full name; the secret that the first
/// `GetWebhookSecret` makes is one that every later one answers. A method that
/// is not here is sent once.
const IDEMPOTENT: &[&str] = &[
    "/auth.v1.AuthService/Jwks",
    "/auth.v1.AuthService/ListSessions",
    "/auth.v1.DirectoryService/FindAccount",
    "/auth.v1.SessionService/Authenticate",
    "/auth.v1.SessionService/ListEndedSessions",
    "/calendar.v1.CalendarService/GetEvent",
    "/calendar.v1.CalendarService/GetEvents",
    "/calendar.v1.CalendarService/ListCalendars",
    "/calendar.v1.CalendarService/ListChanges",
    "/calendar.v1.CalendarService/ListEvents",
    "/calendar.v1.CalendarService/ListInbox",
    "/calendar.v1.CalendarService/ListMembers",
    "/calendar.v1.CalendarService/ListMessages",
    "/notification.v1.NotificationService/GetTimer",
    "/notification.v1.NotificationService/GetWebhookSecret",
    "/notification.v1.NotificationService/GetWebhookUrl",
    "/notification.v1.NotificationService/ListTimers",
];
/// A call earns a fifth of a retry.
const EARNED: i64 = 1;
const COST: i64 = 5;
/// Retries that a quiet time saves up.
const SAVED: i64 = 10 * COST;
/// Full jitter up to this: a restarted process listens again by then.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// Whether a method may be sent twice.
pub(super) fn is_idempotent(method: &str) -> bool {
    IDEMPOTENT.binary_search(&method).is_ok()
}

/// How long to wait before the second try.
pub(crate) fn wait() -> Duration {
    MAX_WAIT.mul_f64(rand::random())
}

/// Lets at most a fifth of the calls be retried.
#[derive(Debug)]
pub(crate) struct Budget(AtomicI64);

// === impl Budget ===

impl Budget {
    pub(crate) const fn new() -> Self {
        Self(AtomicI64::new(SAVED))
    }

    /// A call was made.
    pub(crate) fn earn(&self) {
        // Two at once may overshoot the cap by one: harmless.
        if self.0.load(Ordering::Relaxed) < SAVED {
            self.0.fetch_add(EARNED, Ordering::Relaxed);
        }
    }

    /// Whether a retry is paid for; if so, it is spent.
    pub(crate) fn spend(&self) -> bool {
        let pay = |left: i64| (left >= COST).then(|| left - COST);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_real_methods() {
        assert!(IDEMPOTENT.is_sorted());
        for method in IDEMPOTENT {
            assert!(proto::METHODS.contains(&&method[1..]), "{method}");
        }
        assert!(is_idempotent("/calendar.v1.CalendarService/GetEvents"));
        assert!(!is_idempotent("/calendar.v1.CalendarService/CreateEvent"));
        assert!(!is_idempotent("/auth.v1.SessionService/RedeemTicket"));
        assert!(!is_idempotent("/notification.v1.NotificationService/RotateWebhookSecret"));
    }

    #[test]
    fn retries_stay_within_a_fifth_of_the_calls() {
        let budget = Budget::new();
        let saved = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(saved, 10, "what a quiet time saved up");
        let mut retries = 0;
        for _ in 0..1000 {
            budget.earn();
            retries += u32::from(budget.spend());
        }
        assert_eq!(retries, 200);
    }
}
