//! `get_events`, through the gateway and by PostgreSQL alone.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicI64, Ordering},
};

use anyhow::{Result, ensure};
use jiff::{Timestamp, ToSpan as _};
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
    /// Whether each request is about a window of its own, seconds apart, which holds the same events: nobody has
    /// told it before.
    pub is_new: bool,
    /// How many events the answer has.
    pub events: usize,
}

/// Asks the gateway.
#[derive(Debug)]
pub struct Reader {
    client: HttpClient,
    read: Read,
    account: Account,
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

// === impl Read ===

impl Read {
    fn request(self, account: &Account) -> Result<Vec<u8>> {
        let window = match self.window {
            Some((from, to)) => {
                let [from, to] =
                    if self.is_new { next_window(from, to)? } else { [from.parse()?, to.parse()?] };
                format!("&from={from}&to={to}")
            }
            None => String::new(),
        };
        let path = format!("/calendar/get_events?calendar_name={}{window}", self.calendar);
        Ok(get(&path, account.token.expose()))
    }
}

/// Bounds that were never asked for, less than two hours before these: an event lasts one, and one begins every three.
fn next_window(from: &str, to: &str) -> Result<[Timestamp; 2]> {
    static ASKED: AtomicI64 = AtomicI64::new(0);
    const SECONDS: i64 = 7_000;
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let earlier = |bound: &str, seconds: i64| anyhow::Ok(bound.parse::<Timestamp>()? - seconds.seconds());
    Ok([earlier(from, number % SECONDS)?, earlier(to, number / SECONDS % SECONDS)?])
}

// === impl Reader ===

impl Reader {
    /// Connects, asks once and looks into the answer.
    pub async fn connect(gateway: SocketAddr, account: &Account, read: Read) -> Result<Self> {
        let request = read.request(account)?;
        let mut client = HttpClient::connect(gateway).await?;
        let body = client.call(&request).await?.expect(200)?;
        let answer: Value = serde_json::from_slice(body)?;
        let events = answer["events"].as_array().map_or(0, Vec::len);
        ensure!(events == read.events, "{events} events instead of {}", read.events);
        let length = body.len();
        Ok(Self { client, read, account: account.clone(), request, length })
    }
}

impl Caller for Reader {
    async fn call(&mut self) -> Result<()> {
        if self.read.is_new {
            self.request = self.read.request(&self.account)?;
        }
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
