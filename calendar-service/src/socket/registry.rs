//! Who is connected: one set of connections, found by serial, account, session
//! and gateway. The indexes change only through these methods. What the other
//! instances say of theirs lies beside it: an account is online that is
//! connected to any of them, and its places are counted over all.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use uuid::Uuid;

use super::elsewhere::{Elsewhere, Moves};

/// What the registry needs to know of a connection.
pub(super) trait Entry {
    /// Unique in this process.
    fn serial(&self) -> u64;
    /// Whose connection it is.
    fn account_id(&self) -> Uuid;
    /// The session it lives by.
    fn session_id(&self) -> Uuid;
    /// The gateway it came through.
    fn gateway_id(&self) -> Option<&str>;
}

/// Connections and the places they take.
#[derive(Debug)]
pub(super) struct Registry<C: ?Sized> {
    connections: HashMap<u64, Arc<C>>,
    by_account: HashMap<Uuid, BTreeSet<u64>>,
    by_session: HashMap<Uuid, BTreeSet<u64>>,
    /// Places taken per account: connections, and handshakes on their way to be one.
    seats: HashMap<Uuid, usize>,
    seats_per_account: usize,
    elsewhere: Elsewhere,
}

/// What a connection meant to its account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The first one anywhere came: the account is online now.
    CameOnline,
    /// The last one anywhere went: the account is offline now.
    WentOffline,
    /// There are others.
    NoChange,
}

// === impl Registry ===

impl<C: Entry + ?Sized> Registry<C> {
    /// An empty registry that lets an account take so many places.
    pub(super) fn new(seats_per_account: usize) -> Self {
        Self {
            connections: HashMap::new(),
            by_account: HashMap::new(),
            by_session: HashMap::new(),
            seats: HashMap::new(),
            seats_per_account,
            elsewhere: Elsewhere::default(),
        }
    }

    /// Takes a place for an account; false when all are taken: here and, when
    /// what they say is `known`, on the other instances.
    pub(super) fn sit(&mut self, account_id: Uuid, known: bool) -> bool {
        let others = if known { self.elsewhere.sockets(account_id) as usize } else { 0 };
        let taken = self.seats.get(&account_id).copied().unwrap_or(0);
        let free = taken.saturating_add(others) < self.seats_per_account;
        if free {
            self.seats.insert(account_id, taken + 1);
        }
        free
    }

    /// Gives a place back.
    pub(super) fn stand(&mut self, account_id: Uuid) {
        if let Some(seats) = self.seats.get_mut(&account_id) {
            *seats -= 1;
            if *seats == 0 {
                self.seats.remove(&account_id);
            }
        }
    }

    /// A connection is there.
    pub(super) fn insert(&mut self, connection: Arc<C>) -> Turn {
        let serial = connection.serial();
        let turn = if self.is_online(connection.account_id()) { Turn::NoChange } else { Turn::CameOnline };
        self.by_account.entry(connection.account_id()).or_default().insert(serial);
        self.by_session.entry(connection.session_id()).or_default().insert(serial);
        self.connections.insert(serial, connection);
        turn
    }

    /// A connection is gone.
    pub(super) fn remove(&mut self, serial: u64) -> Turn {
        let Some(connection) = self.connections.remove(&serial) else { return Turn::NoChange };
        Self::unindex(&mut self.by_session, connection.session_id(), serial);
        let last_here = Self::unindex(&mut self.by_account, connection.account_id(), serial);
        if last_here && !self.is_online(connection.account_id()) { Turn::WentOffline } else { Turn::NoChange }
    }

    /// What the other instances say changes; answers who came online by it, and
    /// who went offline.
    pub(super) fn elsewhere(&mut self, change: impl FnOnce(&mut Elsewhere) -> Moves) -> Moves {
        let Moves { mut came, mut went } = change(&mut self.elsewhere);
        came.retain(|account| !self.by_account.contains_key(account));
        went.retain(|account| !self.by_account.contains_key(account));
        Moves { came, went }
    }

    /// How often an account is connected to this instance.
    pub(super) fn sockets_of(&self, account_id: Uuid) -> u32 {
        self.by_account.get(&account_id).map_or(0, |serials| serials.len() as u32)
    }

    /// Every account that is connected to this instance, and how often.
    pub(super) fn roster(&self) -> Vec<(Uuid, u32)> {
        self.by_account.iter().map(|(account, serials)| (*account, serials.len() as u32)).collect()
    }

    /// How many connections there are.
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Every connection.
    pub(super) fn all(&self) -> Vec<Arc<C>> {
        self.connections.values().cloned().collect()
    }

    /// Whether an account is connected, to any instance.
    pub(super) fn is_online(&self, account_id: Uuid) -> bool {
        self.by_account.contains_key(&account_id) || self.elsewhere.sockets(account_id) > 0
    }

    /// Every account that is connected.
    pub(super) fn accounts(&self) -> Vec<Uuid> {
        self.by_account.keys().copied().collect()
    }

    /// The connections of an account.
    pub(super) fn of_account(&self, account_id: Uuid) -> Vec<Arc<C>> {
        let serials = self.by_account.get(&account_id).into_iter().flatten();
        serials.filter_map(|serial| self.connections.get(serial)).cloned().collect()
    }

    /// The connections of these accounts.
    pub(super) fn of_accounts(&self, accounts: &HashSet<Uuid>) -> Vec<Arc<C>> {
        let serials = accounts.iter().filter_map(|account| self.by_account.get(account)).flatten();
        serials.filter_map(|serial| self.connections.get(serial)).cloned().collect()
    }

    /// The connections that live by a session.
    pub(super) fn of_session(&self, session_id: Uuid) -> Vec<Arc<C>> {
        let serials = self.by_session.get(&session_id).into_iter().flatten();
        serials.filter_map(|serial| self.connections.get(serial)).cloned().collect()
    }

    /// The connections that came through a gateway.
    pub(super) fn of_gateway(&self, gateway_id: &str) -> Vec<Arc<C>> {
        let through = self.connections.values().filter(|c| c.gateway_id() == Some(gateway_id));
        through.cloned().collect()
    }

    /// Every session that a connection lives by.
    pub(super) fn sessions(&self) -> Vec<Uuid> {
        self.by_session.keys().copied().collect()
    }

    /// Takes a serial out of an index; true when it was the last under its key.
    fn unindex(index: &mut HashMap<Uuid, BTreeSet<u64>>, key: Uuid, serial: u64) -> bool {
        let Some(serials) = index.get_mut(&key) else { return false };
        serials.remove(&serial);
        let last = serials.is_empty();
        if last {
            index.remove(&key);
        }
        last
    }
}

#[cfg(test)]
impl<C: Entry + ?Sized> Registry<C> {
    /// Panics when the indexes and the connections disagree.
    pub(super) fn check_invariants(&self) {
        for (serial, connection) in &self.connections {
            assert_eq!(*serial, connection.serial());
            assert!(self.by_account[&connection.account_id()].contains(serial));
            assert!(self.by_session[&connection.session_id()].contains(serial));
        }
        for index in [&self.by_account, &self.by_session] {
            assert!(index.values().all(|serials| !serials.is_empty()));
            assert_eq!(index.values().map(BTreeSet::len).sum::<usize>(), self.connections.len());
        }
        assert!(self.seats.values().all(|seats| (1..=self.seats_per_account).contains(seats)));
    }
}

#[cfg(test)]
mod tests {
    use chassis::clock::{Clock as _, SystemClock};
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    struct Fake(u64, Uuid, Uuid, Option<&'static str>);

    impl Entry for Fake {
        fn serial(&self) -> u64 {
            self.0
        }
        fn account_id(&self) -> Uuid {
            self.1
        }
        fn session_id(&self) -> Uuid {
            self.2
        }
        fn gateway_id(&self) -> Option<&str> {
            self.3
        }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Sit(u8),
        Stand(u8),
        Insert(u8, u8, bool),
        Remove(usize),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            (0_u8..4).prop_map(Act::Sit),
            (0_u8..4).prop_map(Act::Stand),
            (0_u8..4, 0_u8..3, any::<bool>()).prop_map(|(a, s, g)| Act::Insert(a, s, g)),
            (0_usize..64).prop_map(Act::Remove),
        ];
        prop::collection::vec(act, 0..200)
    }

    #[test]
    fn places_are_counted_over_all_instances_and_online_is_online_anywhere() {
        let mut registry = Registry::<Fake>::new(3);
        let (there, now) = (Uuid::from_u128(99), SystemClock.monotonic());
        let say = |registry: &mut Registry<Fake>, sockets| {
            registry.elsewhere(|elsewhere| elsewhere.set(there, account(1), sockets, now))
        };
        assert_eq!(say(&mut registry, 2).came, [account(1)]);
        assert!(registry.is_online(account(1)));
        assert!(registry.sit(account(1), true));
        assert!(!registry.sit(account(1), true), "one here, two there");
        assert!(registry.sit(account(1), false), "what cannot be known does not count");
        let fake = Fake(1, account(1), account(9), None);
        assert_eq!(registry.insert(Arc::new(fake.clone())), Turn::NoChange, "online there before");
        assert_eq!(say(&mut registry, 0), Moves::default(), "online here");
        assert_eq!(registry.roster(), [(account(1), 1)]);
        assert_eq!(registry.remove(1), Turn::WentOffline);
        assert_eq!(registry.insert(Arc::new(fake)), Turn::CameOnline);
        assert_eq!(say(&mut registry, 1), Moves::default());
        assert_eq!(registry.remove(1), Turn::NoChange, "online there still");
        assert_eq!(say(&mut registry, 0).went, [account(1)]);
    }

    fn account(n: u8) -> Uuid {
        Uuid::from_u128(u128::from(n) + 1)
    }

    proptest! {
        /// Any sequence keeps the indexes right, and agrees with a plain list.
        #[test]
        fn the_registry_agrees_with_a_list(acts in acts()) {
            let mut registry = Registry::new(3);
            let mut list: Vec<Fake> = Vec::new();
            let mut seats = [0_usize; 4];
            for (serial, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Sit(a) => {
                        let free = seats[usize::from(a)] < 3;
                        prop_assert_eq!(registry.sit(account(a), true), free);
                        seats[usize::from(a)] += usize::from(free);
                    }
                    Act::Stand(a) => {
                        registry.stand(account(a));
                        seats[usize::from(a)] = seats[usize::from(a)].saturating_sub(1);
                    }
                    Act::Insert(a, s, g) => {
                        let session = Uuid::from_u128(u128::from(a) * 10 + u128::from(s) + 100);
                        let fake = Fake(serial as u64, account(a), session, g.then_some("gw"));
                        let first = !list.iter().any(|other| other.1 == fake.1);
                        let turn = registry.insert(Arc::new(fake.clone()));
                        prop_assert_eq!(turn == Turn::CameOnline, first);
                        list.push(fake);
                    }
                    Act::Remove(n) if !list.is_empty() => {
                        let gone = list.remove(n % list.len());
                        let last = !list.iter().any(|other| other.1 == gone.1);
                        prop_assert_eq!(registry.remove(gone.0) == Turn::WentOffline, last);
                    }
                    Act::Remove(_) => prop_assert_eq!(registry.remove(u64::MAX), Turn::NoChange),
                }
                registry.check_invariants();
                prop_assert_eq!(registry.len(), list.len());
                prop_assert_eq!(registry.of_gateway("gw").len(), list.iter().filter(|f| f.3.is_some()).count());
                for a in 0..4 {
                    let mine = list.iter().filter(|fake| fake.1 == account(a)).count();
                    prop_assert_eq!(registry.is_online(account(a)), mine > 0);
                    prop_assert_eq!(registry.of_accounts(&HashSet::from([account(a)])).len(), mine);
                    prop_assert_eq!(registry.of_account(account(a)).len(), mine);
                    prop_assert_eq!(registry.accounts().contains(&account(a)), mine > 0);
                }
            }
        }
    }
}
