//! What is to be handed to people: filled by the bus and by who comes online,
//! emptied by the postman. It coalesces: many calls to one account are one.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::bus::Call;

/// Entries of one kind that may wait; more than that means: look at everybody.
const WAITING: usize = 20_000;

/// Collects what is to be done; for one postman.
#[derive(Debug, Default)]
pub(super) struct Mailbag {
    round: Mutex<Round>,
    filled: Notify,
}

/// What is to be done in one round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Round {
    /// Accounts whose first socket came, and when.
    pub(super) came: HashMap<Uuid, Instant>,
    /// Accounts that have something new in their inbox.
    pub(super) called: HashSet<Uuid>,
    /// Scheduled reminders that were delivered.
    pub(super) reminders: Vec<String>,
    /// Look at everybody who is connected.
    pub(super) look: bool,
}

// === impl Mailbag ===

impl Mailbag {
    /// An account's first socket is there.
    pub(super) fn came(&self, account_id: Uuid) {
        self.fill(|round| {
            round.came.insert(account_id, Instant::now());
        });
    }

    /// The bus calls people.
    pub(super) fn put(&self, call: &Call) {
        self.fill(|round| match call {
            Call::Inbox(accounts) => round.called.extend(accounts),
            Call::Reminder(id) => round.reminders.push(id.clone()),
        });
    }

    /// Something may have been missed.
    pub(super) fn look(&self) {
        self.fill(|round| round.look = true);
    }

    /// Waits until there is something to do.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Takes everything.
    pub(super) fn take(&self) -> Round {
        std::mem::take(&mut self.round.lock())
    }

    fn fill(&self, add: impl FnOnce(&mut Round)) {
        let mut round = self.round.lock();
        add(&mut round);
        if round.came.len().max(round.called.len()).max(round.reminders.len()) > WAITING {
            // Whoever came and is forgotten here is a stranger to the postman.
            *round = Round { look: true, ..Round::default() };
        }
        drop(round);
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_becomes_a_look_at_everybody() {
        let bag = Mailbag::default();
        let account = Uuid::from_u128(7);
        bag.put(&Call::Inbox(vec![account, account]));
        bag.put(&Call::Inbox(vec![account]));
        bag.put(&Call::Reminder("r".to_owned()));
        let round = bag.take();
        assert_eq!((round.called.len(), round.reminders.len(), round.look), (1, 1, false));
        assert_eq!(bag.take(), Round::default());
        for n in 0..30_000 {
            bag.came(Uuid::from_u128(n));
        }
        let round = bag.take();
        assert!(round.look && round.came.len() < 20_000);
    }
}
