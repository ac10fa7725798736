//! Who is connected to the other instances, by what they say of themselves.
//!
//! Each publishes every change, and every few seconds all of it, which heals
//! whatever was missed. Who is silent for long is forgotten: a killed instance
//! says no goodbye.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use uuid::Uuid;

/// Who is connected where, this instance left out.
#[derive(Debug, Default)]
pub(super) struct Elsewhere {
    instances: HashMap<Uuid, Instance>,
    /// Connections of an account, over all instances; never zero.
    totals: HashMap<Uuid, u32>,
}

#[derive(Debug)]
struct Instance {
    heard_at: Instant,
    /// Connections of an account; never zero.
    sockets: HashMap<Uuid, u32>,
}

/// Accounts that came, or went, as far as the other instances are concerned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moves {
    /// From no connection to some.
    pub(super) came: Vec<Uuid>,
    /// From some to none.
    pub(super) went: Vec<Uuid>,
}

// === impl Elsewhere ===

impl Elsewhere {
    /// How often an account is connected elsewhere.
    pub(super) fn sockets(&self, account_id: Uuid) -> u32 {
        self.totals.get(&account_id).copied().unwrap_or(0)
    }

    /// An instance says how often an account is connected to it.
    pub(super) fn set(&mut self, instance: Uuid, account_id: Uuid, sockets: u32, now: Instant) -> Moves {
        let before = HashSet::from([account_id]);
        self.change(before, |this| {
            let there = this.instance(instance, now);
            if sockets == 0 {
                there.sockets.remove(&account_id);
            } else {
                there.sockets.insert(account_id, sockets);
            }
        })
    }

    /// An instance says who is connected to it: these, and nobody else.
    pub(super) fn replace(&mut self, instance: Uuid, roster: &[(Uuid, u32)], now: Instant) -> Moves {
        let known = self.instances.get(&instance).into_iter().flat_map(|there| there.sockets.keys().copied());
        let touched = known.chain(roster.iter().map(|(account_id, _)| *account_id)).collect();
        self.change(touched, |this| {
            let some = roster.iter().copied().filter(|(_, sockets)| *sockets > 0);
            this.instance(instance, now).sockets = some.collect();
        })
    }

    /// Forgets who was silent for longer than this.
    pub(super) fn forget_silent(&mut self, patience: Duration, now: Instant) -> Moves {
        let is_gone = |there: &Instance| now.saturating_duration_since(there.heard_at) > patience;
        let gone = self.instances.values().filter(|there| is_gone(there));
        let touched = gone.flat_map(|there| there.sockets.keys().copied()).collect();
        self.change(touched, |this| this.instances.retain(|_, there| !is_gone(there)))
    }

    /// Nobody can be heard: silence up to `now` says nothing.
    pub(super) fn excuse_silence(&mut self, now: Instant) {
        for there in self.instances.values_mut() {
            there.heard_at = now;
        }
    }

    fn instance(&mut self, instance: Uuid, now: Instant) -> &mut Instance {
        let new = || Instance { heard_at: now, sockets: HashMap::new() };
        let there = self.instances.entry(instance).or_insert_with(new);
        there.heard_at = now;
        there
    }

    /// Makes a change that touches these accounts, and answers what it moved.
    fn change(&mut self, touched: HashSet<Uuid>, change: impl FnOnce(&mut Self)) -> Moves {
        change(self);
        let mut moves = Moves::default();
        for account_id in touched {
            let counts = self.instances.values().filter_map(|there| there.sockets.get(&account_id));
            let total = counts.fold(0, |sum: u32, count| sum.saturating_add(*count));
            let before = if total == 0 {
                self.totals.remove(&account_id)
            } else {
                self.totals.insert(account_id, total)
            };
            match (before.is_some(), total > 0) {
                (false, true) => moves.came.push(account_id),
                (true, false) => moves.went.push(account_id),
                (true, true) | (false, false) => {}
            }
        }
        moves
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chassis::clock::{Clock as _, SystemClock};
    use proptest::prelude::*;

    use super::*;

    const SILENT: Duration = Duration::from_secs(15);

    fn id(n: u8) -> Uuid {
        Uuid::from_u128(u128::from(n) + 1)
    }

    #[derive(Clone, Debug)]
    enum Act {
        Set(u8, u8, u32),
        Replace(u8, Vec<(u8, u32)>),
        Pass(u64),
        Forget,
        Excuse,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0_u8..3, 0_u8..5, 0_u32..3).prop_map(|(i, a, n)| Act::Set(i, a, n)),
            3 => (0_u8..3, prop::collection::btree_map(0_u8..5, 0_u32..3, 0..5))
                .prop_map(|(i, roster)| Act::Replace(i, roster.into_iter().collect())),
            2 => (0_u64..12).prop_map(Act::Pass),
            2 => Just(Act::Forget),
            1 => Just(Act::Excuse),
        ];
        prop::collection::vec(act, 0..80)
    }

    proptest! {
        /// Whatever is said in whatever order: the totals are the sums, and the
        /// moves are exactly the differences.
        #[test]
        fn totals_and_moves_agree_with_a_plain_table(acts in acts()) {
            let mut elsewhere = Elsewhere::default();
            let mut table: BTreeMap<u8, (u64, BTreeMap<u8, u32>)> = BTreeMap::new();
            let (start, mut at) = (SystemClock.monotonic(), 0_u64);
            let online = |table: &BTreeMap<u8, (u64, BTreeMap<u8, u32>)>, account: u8| -> u32 {
                table.values().filter_map(|(_, sockets)| sockets.get(&account)).sum()
            };
            for act in acts {
                let now = start + Duration::from_secs(at);
                let before: Vec<_> = (0..5).map(|account| online(&table, account)).collect();
                let moves = match act {
                    Act::Set(instance, account, sockets) => {
                        let there = table.entry(instance).or_default();
                        there.0 = at;
                        there.1.insert(account, sockets);
                        elsewhere.set(id(instance + 100), id(account), sockets, now)
                    }
                    Act::Replace(instance, roster) => {
                        table.insert(instance, (at, roster.iter().copied().collect()));
                        let roster: Vec<_> = roster.into_iter().map(|(a, n)| (id(a), n)).collect();
                        elsewhere.replace(id(instance + 100), &roster, now)
                    }
                    Act::Pass(seconds) => {
                        at += seconds;
                        Moves::default()
                    }
                    Act::Forget => {
                        table.retain(|_, (heard, _)| at - *heard <= SILENT.as_secs());
                        elsewhere.forget_silent(SILENT, now)
                    }
                    Act::Excuse => {
                        for (heard, _) in table.values_mut() {
                            *heard = at;
                        }
                        elsewhere.excuse_silence(now);
                        Moves::default()
                    }
                };
                for account in 0..5 {
                    let (was, is) = (before[usize::from(account)], online(&table, account));
                    prop_assert_eq!(elsewhere.sockets(id(account)), is);
                    prop_assert_eq!(moves.came.contains(&id(account)), was == 0 && is > 0);
                    prop_assert_eq!(moves.went.contains(&id(account)), was > 0 && is == 0);
                }
            }
        }
    }
}
