//! PROMISES, "PostgreSQL restarted, frozen".

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use system_tests::{
    databases::Databases,
    follower::Follower,
    ledger::{Ledger, Verdict},
    load::{Honesty, Load},
    person::{CALENDAR_PASSWORD, Person},
    proxy::Proxy,
    stack::Stack,
    wait::until,
};

/// Writes that must have happened before and after a fault.
const ENOUGH: usize = 30;

/// Waits until so many more writes are true.
async fn writes_flow(stack: &Stack) -> Result<()> {
    let count = async || -> Result<usize> {
        Ok(stack.truth().event_names().await?.len() + stack.truth().messages().await?.len())
    };
    // The truth may be away too, for a moment.
    let before = until("the truth", async || count().await.ok()).await?;
    until("more writes", async || (count().await.ok()? >= before + ENOUGH).then_some(())).await
}

/// Asks for all kinds of things while the database is away. Each must be answered, whenever it was sent:
/// no answer at all is an error of [`system_tests::door::HANGING`].
async fn nothing_hangs(person: &Person, rounds: usize) -> Result<()> {
    for _ in 0..rounds {
        let update = serde_json::json!({ "calendar_name": "Other", "calendar_password": CALENDAR_PASSWORD });
        let (read, write, login) = tokio::join!(
            person.get("/calendar/calendars"),
            person.post("/calendar/create_calendar", update),
            Person::login(person.door(), "nobody"),
        );
        for answer in [read?, write?] {
            ensure!([503, 504].contains(&answer.status), "answered {} {}", answer.status, answer.text);
        }
        let refused = login.err().context("a login without a database")?;
        ensure!(refused.downcast_ref::<reqwest::Error>().is_none(), "a login hangs: {refused:#}");
    }
    Ok(())
}

/// The verdict over a busy system that `fault` befalls and leaves.
async fn verdict(
    stack: &Stack,
    name: &str,
    honesty: Honesty,
    fault: impl AsyncFnOnce(&Person) -> Result<()>,
) -> Result<Verdict> {
    let ledger = Arc::new(Ledger::open(name)?);
    let (ann, carol) = (stack.person("ann").await?, stack.person("carol").await?);
    let calendar = ann.create_calendar("Family").await?;
    let follower = Follower::start(&carol, "Family").await?;
    let start = stack.truth().seqs(&calendar).await?.last().copied().unwrap_or_default();
    let load = Load::start(std::slice::from_ref(&ann), "Family", &ledger, honesty);
    writes_flow(stack).await?;
    until("a busy system", async || (ledger.in_flight() > 0).then_some(())).await?;
    fault(&carol).await?;
    // Without a restart of anything but the database.
    writes_flow(stack).await.context("after the fault")?;
    load.stop().await?;
    stack.truth().settles().await?;

    let mut there = stack.truth().event_names().await?;
    there.extend(stack.truth().messages().await?);
    let mut verdict = ledger.judge(&there);
    let seqs = stack.truth().seqs(&calendar).await?;
    let last = seqs.last().copied().unwrap_or_default();
    ensure!(seqs.iter().copied().eq(1..=last), "the log has gaps: {seqs:?}");
    follower.reaches(last).await?;
    verdict.hear("carol", &follower.seqs(), start + 1..=last);
    Ok(verdict)
}

/// The verdict over a system whose database answers nothing for a while. What was sent meanwhile reaches
/// it afterwards, as after a network that was away.
async fn frozen(name: &str, honesty: Honesty) -> Result<Verdict> {
    let databases = Databases::fresh().await?;
    let proxy = Proxy::start(databases.address()?).await?;
    let (auth, calendar) = databases.through(proxy.address());
    let stack = Stack::builder()
        .databases(databases)
        .set("AUTH_DATABASE_URL", &auth)
        .set("CALENDAR_DATABASE_URL", &calendar)
        .start()
        .await?;
    verdict(&stack, name, honesty, async |carol| {
        proxy.freeze();
        let answered = nothing_hangs(carol, 3).await;
        proxy.restore();
        answered
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acked_is_lost_when_postgres_freezes() -> Result<()> {
    frozen("postgres_frozen", Honesty::Honest).await?.must_be_clean(2 * ENOUGH)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ack_before_the_commit_would_be_seen() -> Result<()> {
    let verdict = frozen("postgres_hasty", Honesty::Hasty).await?;
    ensure!(!verdict.lost.is_empty(), "the ledger cannot turn red: {verdict}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acked_is_lost_when_postgres_is_killed() -> Result<()> {
    // Its own server: fsync is on, and the kill loses nobody else's data.
    let stack = Stack::builder().databases(Databases::private().await?).start().await?;
    let verdict = verdict(&stack, "postgres_killed", Honesty::Honest, async |carol| {
        stack.databases().kill_server()?;
        until("the end of the server", async || {
            let answer = carol.get("/calendar/calendars").await.ok()?;
            (answer.status == 503).then_some(())
        })
        .await?;
        nothing_hangs(carol, 2).await?;
        stack.databases().start_server().await
    })
    .await?;
    verdict.must_be_clean(2 * ENOUGH)
}
