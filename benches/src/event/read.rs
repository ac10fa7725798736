//! `get_events`, through the gateway and by PostgreSQL alone.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    account::Account,
    http_client::{HttpClient, get},
    load::Caller,
    statement,
};

/// More events than any calendar here has.
const LIMIT: i64 = 20_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The calendar, by a name that is its own key.
    pub calendar: &'static str,
    /// From and to; none: all of it.
    pub window: Option<(&'static str, &'static str)>,
    /// How many events the answer has.
    pub events: usize,
}

/// Asks the gateway.
#[derive(Debug)]
pub struct Reader {
    client: HttpClient,
    request: Vec<u8>,
    /// Bytes of the answer that was looked into.
    length: usize,
}

/// Asks PostgreSQL.
#[derive(Clone, Debug)]
pub struct ReaderAlone {
    pool: PgPool,
    statement: &'static str,
    account_id: Uuid,
    read: Read,
    window: Option<(Timestamp, Timestamp)>,
}

// === impl Reader ===

impl Reader {
    /// Connects, asks once and looks into the answer.
    pub async fn connect(gateway: SocketAddr, account: &Account, read: Read) -> Result<Self> {
        let window = read.window.map(|(from, to)| format!("&from={from}&to={to}")).unwrap_or_default();
        let path = format!("/calendar/get_events?calendar_name={}{window}", read.calendar);
        let request = get(&path, account.token.expose());
        let mut client = HttpClient::connect(gateway).await?;
        let body = client.call(&request).await?.expect(200)?;
        let answer: Value = serde_json::from_slice(body)?;
        let events = answer["events"].as_array().map_or(0, Vec::len);
        ensure!(events == read.events, "{events} events instead of {}", read.events);
        let length = body.len();
        Ok(Self { client, request, length })
    }
}

impl Caller for Reader {
    async fn call(&mut self) -> Result<()> {
        let body = self.client.call(&self.request).await?.expect(200)?;
        ensure!(body.len() == self.length, "another answer than before");
        Ok(())
    }
}

// === impl ReaderAlone ===

impl ReaderAlone {
    /// A caller on a pool.
    pub fn new(pool: &PgPool, account_id: Uuid, read: Read) -> Result<Self> {
        let window = match read.window {
            Some((from, to)) => Some((from.parse()?, to.parse()?)),
            None => None,
        };
        Ok(Self { pool: pool.clone(), statement: statement::get_events()?, account_id, read, window })
    }
}

impl Caller for ReaderAlone {
    async fn call(&mut self) -> Result<()> {
        let (from, to) = self.window.unzip();
        let rows = sqlx::query(self.statement)
            .bind(self.account_id)
            .bind(self.read.calendar)
            .bind(from.map(ToSqlx::to_sqlx))
            .bind(to.map(ToSqlx::to_sqlx))
            .bind(LIMIT)
            // Of all calendars that the account is in.
            .bind(None::<Vec<Uuid>>)
            .fetch_all(&self.pool)
            .await?;
        ensure!(rows.len() == self.read.events, "{} events", rows.len());
        Ok(())
    }
}
