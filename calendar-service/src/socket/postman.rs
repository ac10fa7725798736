//! Hands people what is in their inboxes: to all sockets that are there when it
//! comes, or to the first that comes later.
//!
//! The database is the truth, the bus only calls. For each account that is
//! connected here the postman knows how far its inbox was told here, and reads
//! on from there; an account whose first socket came is given what no socket of
//! it has been told yet, wherever, and what other instances told between its
//! coming and its greeting. What was told is marked afterwards: a crash in
//! between tells it again, and `seq` says that it is the same.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chassis::fault::Fault;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use uuid::Uuid;

use super::{
    hub::Hub, mail::Round, recent::Recent, registry::Registry, room::Listener as _, wire::BlockBuilder,
};
use crate::{model::InboxEntry, patience::in_time};

/// Between two looks at everybody: a lost call heals in this time.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// From a failure to the next try.
const AGAIN: Duration = Duration::from_millis(250);
/// Accounts greeted together.
const GREETED: usize = 256;
/// Entries of one account in one greeting; more come in the next.
const PAGE: i64 = 200;
/// Entries of one account that others may tell between its coming and its greeting;
/// of more, the newest.
const MEANWHILE: i64 = 20;
/// Accounts asked about in one statement, and entries read by one.
const ACCOUNTS: usize = 2_000;
const ENTRIES: i64 = 500;

/// Knows how far each account was told.
struct Postman {
    hub: Arc<Hub>,
    /// The seq up to which the inbox of each connected account was told here.
    told: HashMap<Uuid, i64>,
    /// Accounts that are to be greeted.
    came: HashMap<Uuid, Came>,
    /// Entries that were told and are not marked so yet.
    unmarked: Vec<(Uuid, i64)>,
    recent: Recent,
}

/// An account whose first socket came.
#[derive(Clone, Copy)]
struct Came {
    at: Instant,
    /// The seq up to which it was told from here, before that or since.
    told: i64,
}

/// Runs until the process drains and the last socket is gone.
pub(super) async fn run(hub: Arc<Hub>) {
    let mut postman = Postman {
        hub: Arc::clone(&hub),
        told: HashMap::new(),
        came: HashMap::new(),
        unmarked: Vec::new(),
        recent: Recent::default(),
    };
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        let look = tokio::select! {
            () = hub.mail.filled(), if !failed => false,
            _ = looks.tick() => true,
            () = sleep(AGAIN), if failed => true,
            () = hub.emptied() => return,
        };
        let mut round = hub.mail.take();
        round.look |= look;
        let done = postman.work(round).await;
        failed = done.is_err();
        if let Err(fault) = done {
            tracing::debug!(%fault, "the inboxes cannot be read now");
        }
    }
}

// === impl Postman ===

impl Postman {
    /// One round. What it does not come to, because the database is away, is
    /// found by the next look.
    async fn work(&mut self, round: Round) -> Result<(), Fault> {
        let Round { came, called, reminders, look } = round;
        for (account, at) in came {
            // What was known is of sockets that are gone, or told this one too.
            let told = self.told.remove(&account).or(self.came.get(&account).map(|came| came.told));
            self.came.insert(account, Came { at, told: told.unwrap_or(0) });
        }
        self.settle().await?;
        self.recent.settle(&self.hub).await?;
        for id in reminders {
            self.recent.tell(&self.hub, id).await?;
        }
        let mut behind: Vec<_> =
            called.into_iter().filter_map(|account| Some((account, *self.told.get(&account)?))).collect();
        if look {
            let online: HashSet<_> = self.hub.registry(Registry::accounts).into_iter().collect();
            self.told.retain(|account, _| online.contains(account));
            self.came.retain(|account, _| online.contains(account));
            for account in online.into_iter().filter(|account| !self.told.contains_key(account)) {
                self.came.entry(account).or_insert_with(|| Came { at: Instant::now(), told: 0 });
            }
            behind = self.behind().await?;
            self.recent.look(&self.hub).await?;
        }
        let strangers: Vec<_> = self.came.keys().copied().collect();
        for some in strangers.chunks(GREETED) {
            self.greet(some).await?;
        }
        for some in behind.chunks(ACCOUNTS) {
            self.read_on(some.to_vec()).await?;
        }
        Ok(())
    }

    /// The accounts that were told less than there is, and how far.
    async fn behind(&self) -> Result<Vec<(Uuid, i64)>, Fault> {
        let accounts: Vec<_> = self.told.keys().copied().collect();
        let mut behind = Vec::new();
        for some in accounts.chunks(ACCOUNTS) {
            let seqs = in_time(self.hub.service.store.inbox_seqs(some)).await?;
            let told = seqs.into_iter().filter_map(|(account, last)| {
                let told = *self.told.get(&account)?;
                (told < last).then_some((account, told))
            });
            behind.extend(told);
        }
        Ok(behind)
    }

    /// Gives accounts that are new here what nobody has told them yet.
    async fn greet(&mut self, accounts: &[Uuid]) -> Result<(), Fault> {
        let hub = Arc::clone(&self.hub);
        let store = &hub.service.store;
        let last: HashMap<_, _> = in_time(store.inbox_seqs(accounts)).await?.into_iter().collect();
        let (mut waiting, mut first) = (accounts.to_vec(), true);
        while !waiting.is_empty() {
            let mut untold = in_time(store.untold(&waiting, PAGE)).await?;
            if std::mem::take(&mut first) {
                // Asked second: what somebody marks between the two questions is in one of them, or both.
                untold.extend(self.told_meanwhile(accounts, &last).await?);
                untold.sort_unstable_by_key(|entry| (entry.account_id, entry.seq));
                untold.dedup_by_key(|entry| (entry.account_id, entry.seq));
            }
            // What came since is read on from there.
            untold.retain(|entry| last.get(&entry.account_id).is_some_and(|last| entry.seq <= *last));
            let told = self.hand(&untold);
            for entry in &untold {
                self.came.entry(entry.account_id).and_modify(|came| came.told = came.told.max(entry.seq));
            }
            waiting.retain(|account| told.get(account).is_some_and(|told| *told >= PAGE as usize));
            self.settle().await?;
        }
        let places = accounts.iter().map(|account| (*account, last.get(account).copied().unwrap_or(0)));
        self.told.extend(places);
        for account in accounts {
            self.came.remove(account);
        }
        self.recent.greet(&hub, accounts).await
    }

    /// What other instances told these accounts, and marked, after their sockets came
    /// here; what was told from here they have heard.
    async fn told_meanwhile(
        &self,
        accounts: &[Uuid],
        last: &HashMap<Uuid, i64>,
    ) -> Result<Vec<InboxEntry>, Fault> {
        let came = accounts.iter().filter_map(|account| {
            let (last, came) = (last.get(account)?, self.came.get(account)?);
            Some((*account, came.told.max(last - MEANWHILE), came.at.elapsed()))
        });
        in_time(self.hub.service.store.told_lately(&came.collect::<Vec<_>>())).await
    }

    /// Tells accounts what comes after the place beside each.
    async fn read_on(&mut self, mut places: Vec<(Uuid, i64)>) -> Result<(), Fault> {
        loop {
            let entries = in_time(self.hub.service.store.inbox_after(&places, ENTRIES)).await?;
            self.hand(&entries);
            for entry in &entries {
                self.told.insert(entry.account_id, entry.seq);
            }
            self.settle().await?;
            if entries.len() < ENTRIES as usize {
                return Ok(());
            }
            for (account, seq) in &mut places {
                *seq = self.told.get(account).copied().unwrap_or(*seq);
            }
        }
    }

    /// Sends entries, which stand together by account, to every socket of theirs;
    /// answers how many each account was told that has any.
    fn hand(&mut self, entries: &[InboxEntry]) -> HashMap<Uuid, usize> {
        let mut told = HashMap::new();
        for of_one in entries.chunk_by(|one, other| one.account_id == other.account_id) {
            let Some(account_id) = of_one.first().map(|entry| entry.account_id) else { continue };
            let sockets = self.hub.registry(|registry| registry.of_account(account_id));
            if sockets.is_empty() {
                continue;
            }
            let mut block = BlockBuilder::default();
            for entry in of_one {
                block.push_text(entry.frame().as_bytes());
            }
            let block = block.build();
            for socket in &sockets {
                socket.send(&block);
            }
            self.hub.meters.frames_out.increment((sockets.len() * of_one.len()) as u64);
            self.unmarked.extend(of_one.iter().map(|entry| (entry.account_id, entry.seq)));
            told.insert(account_id, of_one.len());
        }
        told
    }

    /// Marks what was told.
    async fn settle(&mut self) -> Result<(), Fault> {
        if !self.unmarked.is_empty() {
            in_time(self.hub.service.store.mark_told(&self.unmarked)).await?;
            self.unmarked.clear();
        }
        Ok(())
    }
}
