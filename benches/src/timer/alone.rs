//! What PostgreSQL alone does of it: the service's own claim and record, without
//! a request in between.

use std::time::Duration;

use anyhow::{Result, ensure};
use chassis::clock::{Clock as _, SystemClock};
use futures::future::try_join_all;
use sqlx::{PgConnection, PgPool, Row as _};
use uuid::Uuid;

use crate::statement::{self, ClaimTimers};

/// Longer than the service holds a claim: here nobody renews it, and none must run out.
const LEASE: f64 = 10.0;
/// Rows that a claim takes, as the service's.
const CLAIM: i64 = 512;
/// How the service's connections plan (`app.rs` there says why).
const PLANS: &str = "set plan_cache_mode = force_generic_plan; set enable_bitmapscan = off;
    set enable_seqscan = off; set jit = off";
/// Work of the same shape as one that the service has written.
const SEED: &str =
    "insert into due_work (work_id, kind, account_id, payload, lane, due_at, next_at, created_at)
    select gen_random_uuid(), $1, $2, $3, $4, at, at, at
    from generate_series(1, $5), (select app_now() as at) as clock";

/// What was done, and how long it took.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// Timers claimed and recorded.
    pub timers: usize,
    /// From the first claim to the last record.
    pub elapsed: Duration,
}

/// A claimed row, and the number of its claim.
type Claimed = (Uuid, i64);

// === impl Alone ===

impl Alone {
    /// Timers a second.
    pub fn rate(self) -> f64 {
        self.timers as f64 / self.elapsed.as_secs_f64()
    }
}

/// Claims and records so many due timers in `twin`, a database that no service
/// looks at, with the statements of the service on so many connections. The
/// timers are copies of one in `original`.
pub async fn claim_alone(original: &PgPool, twin: &PgPool, timers: usize, at_once: usize) -> Result<Alone> {
    let example = sqlx::query("select kind, account_id, payload, lane from due_work limit 1");
    let example = example.fetch_one(original).await?;
    let kind: String = example.get("kind");
    let seeded = sqlx::query(SEED)
        .bind(&kind)
        .bind(example.get::<Option<Uuid>, _>("account_id"))
        .bind(example.get::<serde_json::Value, _>("payload"))
        .bind(example.get::<String, _>("lane"))
        .bind(timers as i64)
        .execute(twin)
        .await?;
    ensure!(seeded.rows_affected() as usize == timers, "not all timers were written");
    sqlx::raw_sql("vacuum analyze due_work").execute(twin).await?;
    let statements = statement::claim_timers()?;
    let begun = SystemClock.monotonic();
    let workers = (0..at_once).map(|_| {
        let (twin, kind) = (twin.clone(), kind.clone());
        tokio::spawn(async move { work(&twin, statements, &kind).await })
    });
    let mut done = 0;
    for worker in try_join_all(workers).await? {
        done += worker?;
    }
    ensure!(done == timers, "{done} of {timers} timers were recorded");
    Ok(Alone { timers, elapsed: SystemClock.monotonic() - begun })
}

/// Claims and records until nothing is due.
async fn work(database: &PgPool, statements: ClaimTimers, kind: &str) -> Result<usize> {
    let mut connection = database.acquire().await?;
    sqlx::raw_sql(PLANS).execute(&mut *connection).await?;
    let mut done = 0;
    loop {
        let claimed = claim(&mut connection, statements, kind).await?;
        if claimed.is_empty() {
            return Ok(done);
        }
        ensure!(record(&mut connection, statements, &claimed).await? == claimed.len(), "a claim was lost");
        done += claimed.len();
    }
}

async fn claim(database: &mut PgConnection, statements: ClaimTimers, kind: &str) -> Result<Vec<Claimed>> {
    let none: [String; 0] = [];
    let rows = sqlx::query(statements.claim)
        .bind([kind.to_owned()])
        .bind(CLAIM)
        .bind(&none[..])
        .bind(&none[..])
        .bind(&[0_i32; 0][..])
        .bind(CLAIM as i32)
        .bind(LEASE)
        // Everything that is due, and no lane waits.
        .bind(None::<jiff_sqlx::Timestamp>)
        .bind(&none[..])
        .bind(&[0_i32; 0][..])
        .fetch_all(database)
        .await?;
    // A row without work says that there was none.
    let claimed = rows.iter().filter_map(|row| {
        let work: Option<Uuid> = row.get("work_id?");
        Some((work?, row.get("fence?")))
    });
    Ok(claimed.collect())
}

async fn record(database: &mut PgConnection, statements: ClaimTimers, claimed: &[Claimed]) -> Result<usize> {
    let (ids, fences): (Vec<Uuid>, Vec<i64>) = claimed.iter().copied().unzip();
    let count = claimed.len();
    let recorded = sqlx::query(statements.record)
        .bind(ids)
        .bind(fences)
        .bind(vec!["done".to_owned(); count])
        .bind(vec![0.0_f64; count])
        .bind(vec![204_i32; count])
        .bind(vec![1_i32; count])
        .bind(vec![String::new(); count])
        .bind(vec![true; count])
        .fetch_one(database)
        .await?;
    Ok(recorded.get::<i64, _>(0) as usize)
}
