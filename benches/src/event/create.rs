//! `create_event`, through the gateway and by PostgreSQL alone.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use jiff_sqlx::Timestamp;
use serde_json::json;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::seed::Ids;
use crate::{
    account::Account,
    http_client::{HttpClient, post},
    load::Caller,
    postgres::Twins,
    statement::{self, CreateEvent},
};

/// Seconds until a saga that is not confirmed is undone.
const PATIENCE: f64 = 60.0;

/// Asks the gateway.
#[derive(Debug)]
pub struct Creator {
    client: HttpClient,
    request: Vec<u8>,
}

/// Runs the statements of the same work, over both databases.
#[derive(Clone, Debug)]
pub struct CreatorAlone {
    twins: Twins,
    statements: CreateEvent,
    ids: Ids,
    example: Example,
}

/// How a row goes into the twin of its table, as JSON.
struct RowCopy {
    read: &'static str,
    write: &'static str,
}

const ACCOUNT: RowCopy = RowCopy {
    read: "select row_to_json(a)::text from accounts a where account_id = $1",
    // Without the column that is derived.
    write: "insert into accounts (account_id, username, password_hash)
            select account_id, username, password_hash from json_populate_record(null::accounts, $1::json)",
};
const CALENDAR: RowCopy = RowCopy {
    read: "select row_to_json(c)::text from calendars c where calendar_id = $1",
    write: "insert into calendars select * from json_populate_record(null::calendars, $1::json)",
};
const MEMBER: RowCopy = RowCopy {
    read: "select row_to_json(m)::text from members m where calendar_id = $1",
    write: "insert into members select * from json_populate_record(null::members, $1::json)",
};

/// The columns of an event as the service wrote it.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Example {
    ical: String,
    summary: String,
    starts_at: Timestamp,
    ends_at: Timestamp,
    time_zone: String,
    all_day: bool,
    location: String,
    description: String,
    reminders: Vec<i32>,
    participants: Vec<Uuid>,
    participant_names: Vec<String>,
    sequence: i32,
    status: String,
    created_by_name: String,
    created_at: Timestamp,
    payload: String,
}

// === impl Creator ===

impl Creator {
    /// Connects a caller that creates events in one calendar.
    pub async fn connect(gateway: SocketAddr, account: &Account, calendar: &str) -> Result<Self> {
        let event = json!({
            "calendar_name": calendar,
            "event_name": "Dinner with the neighbours",
            "event_start": "2030-01-01T00:00:00Z",
            "event_end": "2030-01-01T01:00:00Z",
            "location": "At home, second floor",
            "description": "Bring something to drink, and the chess board.",
        });
        let request = post("/calendar/create_event", Some(account.token.expose()), &event.to_string());
        Ok(Self { client: HttpClient::connect(gateway).await?, request })
    }
}

impl Caller for Creator {
    async fn call(&mut self) -> Result<()> {
        self.client.call(&self.request).await?.expect(201)?;
        Ok(())
    }
}

// === impl CreatorAlone ===

impl CreatorAlone {
    /// A caller that repeats the event `ids`, which the service has created, in
    /// databases of the same shape: account, calendar and membership are copied.
    pub async fn new(calendar: &PgPool, auth: &PgPool, twins: &Twins, ids: Ids) -> Result<Self> {
        copy(auth, &twins.auth, &ACCOUNT, ids.created_by).await?;
        copy(calendar, &twins.calendar, &CALENDAR, ids.calendar_id).await?;
        copy(calendar, &twins.calendar, &MEMBER, ids.calendar_id).await?;
        let example = sqlx::query_as(
            "select e.*, c.payload
             from events e join calendar_changes c using (calendar_id, seq)
             where e.event_id = $1",
        );
        Ok(Self {
            twins: twins.clone(),
            statements: statement::create_event()?,
            ids,
            example: example.bind(ids.event_id).fetch_one(calendar).await.context("no such event")?,
        })
    }

    async fn begin(&self, saga_id: Uuid, event_id: Uuid) -> Result<()> {
        let example = &self.example;
        let begun = sqlx::query(self.statements.begin)
            .bind(saga_id)
            .bind(event_id)
            .bind(self.ids.calendar_id)
            .bind(self.ids.created_by)
            .bind(&example.created_by_name)
            .bind(&example.ical)
            .bind(event_id.to_string())
            .bind(&example.summary)
            .bind(example.starts_at)
            .bind(example.ends_at)
            .bind(&example.time_zone)
            .bind(example.all_day)
            .bind(&example.location)
            .bind(&example.description)
            .bind(&example.reminders)
            .bind(&example.participants)
            .bind(&example.participant_names)
            .bind(example.sequence)
            .bind(&example.status)
            .bind(example.created_at)
            .bind(PATIENCE)
            .bind(!example.reminders.is_empty())
            .execute(&self.twins.calendar)
            .await?;
        ensure!(begun.rows_affected() == 1, "no saga began");
        Ok(())
    }

    async fn reserve(&self, saga_id: Uuid, event_id: Uuid) -> Result<()> {
        let reserved = sqlx::query(self.statements.reserve)
            .bind(saga_id)
            .bind(event_id)
            .bind(&self.example.participants)
            .fetch_one(&self.twins.auth)
            .await?;
        ensure!(reserved.get::<bool, _>(0), "nobody was reserved");
        Ok(())
    }

    async fn confirm(&self, saga_id: Uuid) -> Result<()> {
        let mut transaction = self.twins.calendar.begin().await?;
        let entered = sqlx::query(self.statements.enter)
            .bind(self.ids.calendar_id)
            .bind(self.ids.created_by)
            .fetch_one(&mut *transaction)
            .await?;
        let confirmed = sqlx::query(self.statements.confirm)
            .bind(saga_id)
            .bind(entered.get::<i64, _>("last_seq"))
            .bind("event_created")
            .bind(&self.example.created_by_name)
            .bind(&self.example.payload)
            .fetch_optional(&mut *transaction)
            .await?;
        ensure!(confirmed.is_some(), "the saga was not confirmed");
        Ok(transaction.commit().await?)
    }
}

async fn copy(from: &PgPool, to: &PgPool, row: &RowCopy, id: Uuid) -> Result<()> {
    let json: String = sqlx::query_scalar(row.read).bind(id).fetch_one(from).await?;
    sqlx::query(row.write).bind(json).execute(to).await?;
    Ok(())
}

impl Caller for CreatorAlone {
    async fn call(&mut self) -> Result<()> {
        let (saga_id, event_id) = (Uuid::now_v7(), Uuid::now_v7());
        self.begin(saga_id, event_id).await?;
        self.reserve(saga_id, event_id).await?;
        self.confirm(saga_id).await
    }
}
