//! The participant side of the saga against a model of it.
//!
//! Random plans of reserves, confirms, releases, changes and removals, over
//! few accounts and events so that they meet. After each step the answer and
//! the whole table must be the model's; a failing plan is shrunk.

use std::collections::{BTreeMap, BTreeSet};

use chassis::fault::Reason;
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
    test_runner::{Config, TestCaseError, TestRunner},
};
use sqlx::PgPool;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::fixture::Fixture;
use crate::{
    participation::{Participation, Saga},
    store::MessageKind,
};

const ACCOUNTS: usize = 4;
/// Each with an event of its own.
const SAGAS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Reserve(usize, BTreeSet<usize>),
    Confirm(usize),
    Release(usize),
    Set(usize, i64, BTreeSet<usize>),
    Remove(usize),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Reserved,
    Confirmed,
    Released,
}

/// What should be true.
#[derive(Debug, Default)]
struct Model {
    gone: BTreeSet<usize>,
    sagas: BTreeMap<usize, State>,
    revisions: BTreeMap<usize, i64>,
    /// (event, account) → confirmed, and whether the saga made it.
    records: BTreeMap<(usize, usize), (bool, bool)>,
}

/// What is true, in a test's database, for one plan.
struct World<'a> {
    fixture: &'a Fixture,
    accounts: Vec<Uuid>,
    sagas: Vec<Saga>,
}

fn step() -> impl Strategy<Value = Step> {
    let saga = 0..SAGAS;
    let accounts = || btree_set(0..ACCOUNTS, 1..=ACCOUNTS);
    prop_oneof![
        4 => (saga.clone(), accounts()).prop_map(|(saga, accounts)| Step::Reserve(saga, accounts)),
        3 => saga.clone().prop_map(Step::Confirm),
        2 => saga.clone().prop_map(Step::Release),
        4 => (saga, 1..6_i64, btree_set(0..ACCOUNTS, 0..=ACCOUNTS))
            .prop_map(|(event, revision, accounts)| Step::Set(event, revision, accounts)),
        1 => (0..ACCOUNTS).prop_map(Step::Remove),
    ]
}

// === impl Model ===

impl Model {
    fn apply(&mut self, step: &Step) -> Result<(), Reason> {
        match step {
            Step::Reserve(saga, accounts) => self.reserve(*saga, accounts),
            Step::Confirm(saga) => self.confirm(*saga),
            Step::Release(saga) => self.release(*saga),
            Step::Set(event, revision, accounts) => {
                self.set(*event, *revision, accounts);
                Ok(())
            }
            Step::Remove(account) => {
                self.gone.insert(*account);
                self.records.retain(|(_, of), _| of != account);
                Ok(())
            }
        }
    }

    fn reserve(&mut self, saga: usize, accounts: &BTreeSet<usize>) -> Result<(), Reason> {
        match self.sagas.get(&saga) {
            Some(State::Released) => return Err(Reason::SagaReleased),
            Some(State::Reserved | State::Confirmed) => return Ok(()),
            None => {}
        }
        if !accounts.is_disjoint(&self.gone) {
            return Err(Reason::ParticipantUnknown);
        }
        if self.revisions.contains_key(&saga) {
            return Err(Reason::SagaReleased);
        }
        self.sagas.insert(saga, State::Reserved);
        self.records.extend(accounts.iter().map(|account| ((saga, *account), (false, true))));
        Ok(())
    }

    fn confirm(&mut self, saga: usize) -> Result<(), Reason> {
        match self.sagas.get(&saga) {
            Some(State::Released) | None => return Err(Reason::SagaReleased),
            Some(State::Confirmed) => return Ok(()),
            Some(State::Reserved) => {}
        }
        self.sagas.insert(saga, State::Confirmed);
        for ((event, _), (confirmed, by_saga)) in &mut self.records {
            *confirmed |= *event == saga && *by_saga;
        }
        Ok(())
    }

    fn release(&mut self, saga: usize) -> Result<(), Reason> {
        if self.sagas.get(&saga) == Some(&State::Confirmed) {
            return Err(Reason::Forbidden);
        }
        self.sagas.insert(saga, State::Released);
        self.records.retain(|(event, _), (_, by_saga)| *event != saga || !*by_saga);
        Ok(())
    }

    fn set(&mut self, event: usize, revision: i64, accounts: &BTreeSet<usize>) {
        if self.revisions.get(&event).is_some_and(|known| *known >= revision) {
            return;
        }
        self.revisions.insert(event, revision);
        self.records.retain(|(of, _), _| *of != event);
        let present = accounts.difference(&self.gone);
        self.records.extend(present.map(|account| ((event, *account), (true, false))));
    }
}

// === impl World ===

impl<'a> World<'a> {
    async fn new(fixture: &'a Fixture) -> Self {
        let mut accounts = Vec::new();
        for _ in 0..ACCOUNTS {
            let id = Uuid::now_v7();
            let name = crate::model::Username::parse(&id.simple().to_string()).expect("a name");
            fixture.app.store.add_account(id, &name, "unused").await.expect("added");
            accounts.push(id);
        }
        let saga = |_| Saga { saga_id: Uuid::now_v7(), event_id: Uuid::now_v7() };
        Self { fixture, accounts, sagas: (0..SAGAS).map(saga).collect() }
    }

    async fn apply(&self, step: &Step) -> Result<(), Reason> {
        let participation: &Participation = &self.fixture.app.participants.participation;
        let ids = |accounts: &BTreeSet<usize>| accounts.iter().map(|n| self.accounts[*n]).collect::<Vec<_>>();
        let outcome = match step {
            Step::Reserve(saga, accounts) => participation.reserve(self.sagas[*saga], &ids(accounts)).await,
            Step::Confirm(saga) => participation.confirm(self.sagas[*saga]).await,
            Step::Release(saga) => participation.release(self.sagas[*saga]).await,
            Step::Set(event, revision, accounts) => {
                participation.set(self.sagas[*event].event_id, *revision, &ids(accounts)).await
            }
            Step::Remove(account) => self.remove(self.accounts[*account]).await,
        };
        outcome.map_err(|fault| fault.reason)
    }

    async fn remove(&self, account_id: Uuid) -> Result<(), chassis::fault::Fault> {
        let mut tx = self.fixture.app.store.begin().await?;
        tx.remove_account(account_id).await?;
        self.fixture.app.outbox.post(&mut tx, account_id, MessageKind::AccountRemoved).await?;
        tx.commit().await
    }

    /// The table, in the model's words.
    async fn records(&self) -> BTreeMap<(usize, usize), (bool, bool)> {
        let events: Vec<_> = self.sagas.iter().map(|saga| saga.event_id).collect();
        let rows = sqlx::query!(
            "select event_id, account_id, state, saga_id from participants where event_id = any($1)",
            &events
        );
        let rows = rows.fetch_all(&self.fixture.pool).await.expect("listed");
        let place = |list: &[Uuid], id: Uuid| list.iter().position(|other| *other == id).expect("ours");
        let record = |event_id, account_id, state: &str, saga_id: Option<Uuid>| {
            let key = (place(&events, event_id), place(&self.accounts, account_id));
            (key, (state == "confirmed", saga_id.is_some()))
        };
        rows.iter().map(|row| record(row.event_id, row.account_id, &row.state, row.saga_id)).collect()
    }
}

async fn run(fixture: &Fixture, plan: Vec<Step>) -> Result<(), TestCaseError> {
    let (world, mut model) = (World::new(fixture).await, Model::default());
    for (n, step) in plan.iter().enumerate() {
        let (is, should) = (world.apply(step).await, model.apply(step));
        prop_assert_eq!(is, should, "answer of step {}: {:?}", n, step);
        prop_assert_eq!(&world.records().await, &model.records, "records after step {}: {:?}", n, step);
    }
    Ok(())
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn any_order_of_steps_does_what_the_model_does(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let handle = Handle::current();
    let outcome = tokio::task::spawn_blocking(move || {
        let mut runner =
            TestRunner::new(Config { cases: 64, failure_persistence: None, ..Config::default() });
        runner.run(&vec(step(), 1..24), |plan| handle.block_on(run(&fixture, plan)))
    });
    if let Err(error) = outcome.await.expect("no panic") {
        panic!("{error}");
    }
}
