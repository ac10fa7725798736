//! What is true: the databases, read from outside.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{databases::Databases, wait::until};

/// Both databases.
#[derive(Clone, Debug)]
pub struct Truth {
    auth: PgPool,
    calendar: PgPool,
}

/// A confirmed event of a calendar that is not deleted.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct StoredEvent {
    /// Its id.
    pub event_id: Uuid,
    /// Its name.
    pub summary: String,
    /// The accounts that take part.
    pub participants: Vec<Uuid>,
}

/// What must be zero once everything has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Sagas that are not over.
    pub sagas: i64,
    /// Messages that calendar-service has not delivered.
    pub calendar_outbox: i64,
    /// Messages that auth-service has not delivered.
    pub auth_outbox: i64,
    /// Events that nobody sees.
    pub pending_events: i64,
    /// Participants' records that may still be undone.
    pub reserved: i64,
}

// === impl Truth ===

impl Truth {
    /// Reads these databases.
    pub fn of(databases: &Databases) -> Result<Self> {
        Self::at(&databases.auth, &databases.calendar)
    }

    /// Reads the databases at these URLs.
    pub fn at(auth: &str, calendar: &str) -> Result<Self> {
        let pool = |url: &str| PgPoolOptions::new().max_connections(2).connect_lazy(url);
        Ok(Self { auth: pool(auth)?, calendar: pool(calendar)? })
    }

    /// calendar-service's database.
    pub const fn calendar(&self) -> &PgPool {
        &self.calendar
    }

    /// auth-service's database.
    pub const fn auth(&self) -> &PgPool {
        &self.auth
    }

    /// Every event that somebody can see.
    pub async fn events(&self) -> Result<Vec<StoredEvent>> {
        let events = sqlx::query_as(
            "select event_id, summary, participants from events join calendars using (calendar_id)
             where state = 'confirmed' and deleted_at is null order by event_id",
        );
        Ok(events.fetch_all(&self.calendar).await?)
    }

    /// The names of all events that somebody can see: ids of a ledger.
    pub async fn event_names(&self) -> Result<Vec<String>> {
        Ok(self.events().await?.into_iter().map(|event| event.summary).collect())
    }

    /// The texts of all kept messages: ids of a ledger.
    pub async fn messages(&self) -> Result<Vec<String>> {
        let texts = sqlx::query_scalar(
            "select payload::jsonb ->> 'message' from calendar_changes where kind = 'message' order by calendar_id, seq",
        );
        Ok(texts.fetch_all(&self.calendar).await?)
    }

    /// The `seq`s of a calendar's log, in order.
    pub async fn seqs(&self, calendar_id: &str) -> Result<Vec<i64>> {
        let seqs = sqlx::query_scalar("select seq from calendar_changes where calendar_id = $1 order by seq");
        Ok(seqs.bind(Uuid::parse_str(calendar_id)?).fetch_all(&self.calendar).await?)
    }

    /// Where the records of the two databases disagree: an event without the
    /// record of a participant, a record without an event that wants it.
    pub async fn orphans(&self) -> Result<Vec<String>> {
        let wanted: BTreeSet<_> = self
            .events()
            .await?
            .into_iter()
            .flat_map(|event| event.participants.into_iter().map(move |account| (event.event_id, account)))
            .collect();
        let records = sqlx::query_as::<_, (Uuid, Uuid)>("select event_id, account_id from participants");
        let recorded: BTreeSet<_> = records.fetch_all(&self.auth).await?.into_iter().collect();
        let without_record = wanted
            .difference(&recorded)
            .map(|(event, account)| format!("event {event} lacks {account}'s record"));
        let without_event = recorded
            .difference(&wanted)
            .map(|(event, account)| format!("{account}'s record of {event} is orphaned"));
        Ok(without_record.chain(without_event).collect())
    }

    /// What is still to be done.
    pub async fn unfinished(&self) -> Result<Unfinished> {
        let (sagas, calendar_outbox, pending_events) = sqlx::query_as(
            "select
                (select count(*) from sagas where state not in ('confirmed', 'aborted')),
                (select count(*) from outbox where delivered_at is null),
                (select count(*) from events where state = 'pending')",
        )
        .fetch_one(&self.calendar)
        .await?;
        let (auth_outbox, reserved) = sqlx::query_as(
            "select (select count(*) from outbox), (select count(*) from participants where state = 'reserved')",
        )
        .fetch_one(&self.auth)
        .await?;
        Ok(Unfinished { sagas, calendar_outbox, auth_outbox, pending_events, reserved })
    }

    /// Waits until nothing is left to be done.
    pub async fn settles(&self) -> Result<()> {
        let mut last = None;
        let settled = until("nothing unfinished", async || {
            last = self.unfinished().await.ok();
            last.filter(Unfinished::is_nothing)
        });
        settled.await.map(drop).map_err(|error| error.context(format!("left: {last:?}")))
    }

    /// Fails unless everything has settled and the databases agree.
    pub async fn must_be_whole(&self) -> Result<()> {
        self.settles().await?;
        let orphans = self.orphans().await?;
        ensure!(orphans.is_empty(), "{} orphans: {:?}", orphans.len(), &orphans[..orphans.len().min(8)]);
        Ok(())
    }

    /// Moves the clock that decides what is due, in both databases.
    pub async fn advance_clock(&self, seconds: i64) -> Result<()> {
        for pool in [&self.auth, &self.calendar] {
            sqlx::query("update app_clock set shift = shift + make_interval(secs => $1)")
                .bind(seconds as f64)
                .execute(pool)
                .await?;
        }
        Ok(())
    }

    /// Hangs up.
    pub async fn close(&self) {
        self.auth.close().await;
        self.calendar.close().await;
    }
}

// === impl Unfinished ===

impl Unfinished {
    /// Whether nothing is left.
    pub const fn is_nothing(&self) -> bool {
        self.sagas == 0
            && self.calendar_outbox == 0
            && self.auth_outbox == 0
            && self.pending_events == 0
            && self.reserved == 0
    }
}
