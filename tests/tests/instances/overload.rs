//! More at once than the limits take: who is refused hears when to come back, and nothing of it is there later; who
//! is not refused is served; and afterwards all is as it was.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use futures::future::{join_all, try_join_all};
use reqwest::Method;
use serde_json::json;
use system_tests::{
    door::{Answer, Door},
    fleet::Fleet,
    ledger::{Ledger, Outcome},
    person::{PASSWORD, Person, event},
    wait::until,
};

const CALENDAR: &str = "Flood";
/// Requests of an account that are let through at once; one more every four seconds.
const LET_THROUGH: &str = "15";
/// What each of two people sends at once.
const EVENTS: usize = 60;
/// Logins at once: three instances hash two each, and let three more wait.
const LOGINS: usize = 60;

/// What a flood was answered.
#[derive(Debug, Default)]
struct Answers {
    statuses: BTreeMap<u16, usize>,
    /// Refusals that do not say when to come back.
    unsaid: usize,
}

pub(super) async fn a_flood_is_refused_in_order(fleet: &Fleet) -> Result<()> {
    let open = fleet.ways()?.door(0)?.clone();
    let mut gateway = fleet.gateway(&[("LIMIT_DEFAULT", LET_THROUGH)]).await?;
    let narrow = gateway.door()?;
    let ledger = Ledger::open("overload")?;
    let people = [open.person("flo").await?, open.person("rod").await?];
    people[0].create_calendar(CALENDAR).await?;
    people[1].join(CALENDAR).await?;
    // Who logs in so often loses older sessions.
    open.person("mob").await?;
    let [flo, rod] = people.each_ref().map(|person| person.at(&narrow));

    let mut answers = Answers::default();
    let creations = [&flo, &rod].into_iter().flat_map(|person| {
        let ledger = &ledger;
        (0..EVENTS).map(move |n| create(person, ledger, format!("{}-{n}", person.name)))
    });
    let logins = (0..LOGINS).map(|_| login(&narrow));
    let (creations, logins) = tokio::join!(join_all(creations), join_all(logins));
    for answer in creations.into_iter().chain(logins) {
        answers.count(&answer?);
    }
    println!("{answers:?}");
    answers.must_be_those_of_an_overload()?;

    // Whoever comes when they were told is served, and so is everybody else at once.
    for person in [&flo, &rod] {
        let again = until("another event", async || {
            person.create_event(CALENDAR, "after").await.ok()?.expect(201).ok()
        });
        again.await.context("after the flood")?;
    }
    Person::login(&narrow, "flo").await?.get("/calendar/calendars").await?.expect(200)?;

    let truth = fleet.stack().truth();
    truth.must_be_whole().await?;
    let mut there = truth.event_names().await?;
    there.retain(|name| name.starts_with("flo-") || name.starts_with("rod-"));
    let verdict = ledger.judge(&there);
    verdict.must_be_clean(2)?;
    ensure!(verdict.refused > 0, "{verdict}");
    // Negative controls: an event that is not there is missed by name; what the limits take is no overload.
    let lost = ledger.judge(&[]).lost.pop().context("nothing was acknowledged")?;
    there.retain(|name| *name != lost);
    ensure!(ledger.judge(&there).lost == [lost], "the ledger cannot turn red");
    let mut answers = Answers::default();
    for answer in try_join_all((0..EVENTS).map(|_| people[0].get("/calendar/calendars"))).await? {
        answers.count(&answer);
    }
    ensure!(answers.must_be_those_of_an_overload().is_err(), "refused without a reason: {answers:?}");
    ensure!(answers.statuses.keys().eq(&[200]), "{answers:?}");
    ensure!(gateway.is_running()? && gateway.errors().is_empty(), "{:#?}", gateway.errors());
    Ok(())
}

async fn create(person: &Person, ledger: &Ledger, name: String) -> Result<Answer> {
    let attempt = ledger.attempt(name)?;
    let body = event(CALENDAR, attempt.id());
    let answer = person.call(Method::POST, "/calendar/create_event").json(&body).send().await?;
    attempt.settle(Outcome::of_create(Some(answer.status)));
    Ok(answer)
}

async fn login(door: &Door) -> Result<Answer> {
    door.post("/user/login", json!({ "username": "mob", "password": PASSWORD })).await
}

// === impl Answers ===

impl Answers {
    fn count(&mut self, answer: &Answer) {
        *self.statuses.entry(answer.status).or_default() += 1;
        let after = answer.header("retry-after").and_then(|after| after.parse::<u64>().ok());
        let is_said = after.is_some_and(|seconds| seconds >= 1);
        self.unsaid += usize::from([429, 503].contains(&answer.status) && !is_said);
    }

    /// Some were served, some refused by each kind of limit, and all refusals say when to come back. Of those who
    /// were let in the most were served: a debug build may keep some waiting for longer than a request may take.
    fn must_be_those_of_an_overload(&self) -> Result<()> {
        let count = |status: u16| self.statuses.get(&status).copied().unwrap_or_default();
        let late = count(504);
        let others: Vec<_> = self.statuses.keys().filter(|status| **status != 504).collect();
        ensure!(others == [&200, &201, &429, &503], "other answers: {self:?}");
        ensure!(self.unsaid == 0, "{} do not say when to come back: {self:?}", self.unsaid);
        ensure!(late < count(200) + count(201), "{late} were too late: {self:?}");
        Ok(())
    }
}
