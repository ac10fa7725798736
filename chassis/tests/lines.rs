//! Connections at hand, on a real server.

use std::time::Duration;

use chassis::postgres::{Line, Pool, connect};
use futures::FutureExt as _;
use secrecy::SecretString;
use sqlx::{ConnectOptions as _, PgPool};
use tokio::time::timeout;

/// Of which two stay at hand.
const CONNECTIONS: u32 = 4;

fn pool_beside(pool: &PgPool) -> Pool {
    let url = SecretString::from(pool.connect_options().to_url_lossy().to_string());
    connect(&url, &[], CONNECTIONS).unwrap()
}

/// The server process at the other end.
async fn process(line: &mut Line) -> i32 {
    sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut **line).await.unwrap()
}

async fn closes(pool: &Pool) -> bool {
    timeout(Duration::from_secs(5), pool.close()).await.is_ok()
}

#[sqlx::test(migrations = false)]
async fn the_one_that_was_used_last_is_the_next(theirs: PgPool) {
    let pool = pool_beside(&theirs);
    let mut lines = Vec::new();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let mut line = pool.line().await.unwrap();
        processes.push(process(&mut line).await);
        lines.push(line);
    }
    lines.into_iter().for_each(Line::keep);
    // Two stay, the third went back to its pool.
    let (mut last, mut first) = (pool.line().await.unwrap(), pool.line().await.unwrap());
    assert_eq!([process(&mut last).await, process(&mut first).await], [processes[1], processes[0]]);
    last.keep();
    assert_eq!(process(&mut pool.line().await.unwrap()).await, processes[1]);
    drop(first);
    assert!(closes(&pool).await);
}

#[sqlx::test(migrations = false)]
async fn a_pool_closes_with_connections_at_hand_and_waits_for_those_in_use(theirs: PgPool) {
    let pool = pool_beside(&theirs);
    let [mut at_hand, mut in_use] = [pool.line().await.unwrap(), pool.line().await.unwrap()];
    process(&mut at_hand).await;
    process(&mut in_use).await;
    at_hand.keep();
    let mut closing = Box::pin(pool.close());
    assert!(closing.as_mut().now_or_never().is_none(), "one is in use");
    // What comes back now is not at hand for anybody.
    in_use.keep();
    assert!(timeout(Duration::from_secs(5), closing).await.is_ok());
    assert!(pool.line().await.is_err());
}

#[sqlx::test(migrations = false)]
async fn of_a_pool_of_somebody_else_nothing_is_held(theirs: PgPool) {
    let pool = Pool::from(theirs.clone());
    let mut line = pool.line().await.unwrap();
    process(&mut line).await;
    line.keep();
    // All of them are free again.
    let most = theirs.options().get_max_connections();
    let mut all = Vec::new();
    for _ in 0..most {
        all.push(timeout(Duration::from_secs(5), theirs.acquire()).await.unwrap().unwrap());
    }
}

#[sqlx::test(migrations = false)]
async fn whoever_waits_for_the_pool_comes_before_the_next_line(theirs: PgPool) {
    let pool = pool_beside(&theirs);
    let mut lines = Vec::new();
    for _ in 0..CONNECTIONS {
        lines.push(pool.line().await.unwrap());
    }
    let mut waiting = Box::pin(pool.begin());
    assert!(waiting.as_mut().now_or_never().is_none(), "all of them are in use");
    lines.pop().unwrap().keep();
    assert!(timeout(Duration::from_secs(5), waiting).await.is_ok_and(|begun| begun.is_ok()));
}

#[sqlx::test(migrations = false)]
async fn nobody_waits_beside_connections_at_hand(theirs: PgPool) {
    let pool = pool_beside(&theirs);
    let [one, other] = [pool.line().await.unwrap(), pool.line().await.unwrap()];
    [one, other].into_iter().for_each(Line::keep);
    let mut in_use = Vec::new();
    for _ in 0..CONNECTIONS {
        in_use.push(timeout(Duration::from_secs(5), pool.acquire()).await.unwrap().unwrap());
    }
    drop(in_use);
    assert!(closes(&pool).await);
}
