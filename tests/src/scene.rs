//! Two people at work in one room, each by a gateway of their own, and the ledger of what they do.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use sqlx::query_scalar;
use uuid::Uuid;

use crate::{
    crew::Crew,
    follower::Follower,
    ledger::{Ledger, Verdict},
    truth::Truth,
    wait::until,
    ways::Ways,
};

const CALENDAR: &str = "Cluster";

/// A crew at work, and who listens.
#[derive(Debug)]
pub struct Scene {
    crew: Crew,
    followers: Vec<Follower>,
    ledger: Arc<Ledger>,
    truth: Truth,
    calendar_id: String,
    start: i64,
}

// === impl Scene ===

impl Scene {
    /// Sets both to work. `name` is that of the ledger.
    pub async fn set(name: &str, ways: &Ways, truth: Truth) -> Result<Self> {
        let ledger = Arc::new(Ledger::open(name)?);
        let ann = ways.door(0)?.person("ann").await?;
        let bob = ways.door(1)?.person("bob").await?;
        let calendar_id = ann.create_calendar(CALENDAR).await?;
        let people = [ann, bob];
        let mut followers = Vec::new();
        // A password is slow to check in a debug build, and who is too late is told to try again.
        until("another member", async || people[1].join(CALENDAR).await.ok()).await?;
        for (home, person) in people.iter().enumerate() {
            followers.push(Follower::travelling(&ways.of(person, home), CALENDAR).await?);
        }
        let start = truth.seqs(&calendar_id).await?.last().copied().context("an empty log")?;
        let crew = Crew::start(&people, CALENDAR, ways, &ledger).await?;
        Ok(Self { crew, followers, ledger, truth, calendar_id, start })
    }

    /// Who works.
    pub const fn crew(&self) -> &Crew {
        &self.crew
    }

    /// Waits until something is under way: a fault now hits a busy system.
    pub async fn is_busy(&self) -> Result<()> {
        until("something under way", async || (self.ledger.in_flight() > 0).then_some(())).await
    }

    /// How often a connection of a listener ended without being told why.
    pub fn cuts(&self) -> u32 {
        self.followers.iter().map(Follower::cuts).sum()
    }

    /// Stops the work and holds the ledger against the databases and what was heard. So much was acknowledged at
    /// least.
    pub async fn end(self, enough: usize) -> Result<()> {
        let Self { crew, followers, ledger, truth, calendar_id, start } = self;
        crew.stop().await?;
        truth.must_be_whole().await?;
        let mut verdict = ledger.judge(&there(&truth, &calendar_id).await?);
        let seqs = truth.seqs(&calendar_id).await?;
        let last = seqs.last().copied().unwrap_or_default();
        ensure!(seqs.iter().copied().eq(1..=last), "the log has gaps: {seqs:?}");
        for (n, follower) in followers.iter().enumerate() {
            follower.reaches(last).await?;
            ensure!(follower.resyncs() == 0, "nobody missed that much");
            verdict.hear(&format!("follower {n}"), &follower.seqs(), start + 1..=last);
        }
        verdict.must_be_clean(enough)?;
        ensure!(verdict.unknown == 0, "something was never answered: {verdict}");

        // Negative control: a message that the database loses is missed by name.
        let lost = lose_a_message(&truth, &calendar_id).await?;
        let verdict: Verdict = ledger.judge(&there(&truth, &calendar_id).await?);
        ensure!(verdict.lost == [lost], "the ledger cannot turn red: {verdict}");
        truth.close().await;
        Ok(())
    }
}

/// The ids of everything that is there: events by their names, changes of an event and messages by the log.
async fn there(truth: &Truth, calendar_id: &str) -> Result<Vec<String>> {
    let mut there = truth.event_names().await?;
    there.retain(|name| name.starts_with("event-"));
    let log = query_scalar::<_, String>(
        "select coalesce(payload::jsonb ->> 'message', payload::jsonb #>> '{event,event_name}') from calendar_changes
         where calendar_id = $1 and kind in ('message', 'event_updated') order by seq",
    );
    there.extend(log.bind(Uuid::parse_str(calendar_id)?).fetch_all(truth.calendar()).await?);
    Ok(there)
}

async fn lose_a_message(truth: &Truth, calendar_id: &str) -> Result<String> {
    let lost = query_scalar(
        "delete from calendar_changes where calendar_id = $1 and seq = (
            select max(seq) from calendar_changes where calendar_id = $1 and kind = 'message'
         ) returning payload::jsonb ->> 'message'",
    );
    Ok(lost.bind(Uuid::parse_str(calendar_id)?).fetch_one(truth.calendar()).await?)
}
