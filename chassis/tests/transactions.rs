//! A transaction that nobody waits for any more leaves nothing behind in its pool.

use std::time::Duration;

use chassis::postgres::{Pool, connect};
use futures::FutureExt as _;
use secrecy::SecretString;
use sqlx::{ConnectOptions as _, PgPool, PgTransaction, Postgres, pool::PoolOptions};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);

/// Begins, and leaves as soon as the server has begun, whose answer nobody looks at.
async fn leave_early<F>(begin: impl Fn() -> F, pool: &PgPool, observer: &PgPool)
where
    F: Future<Output = Result<PgTransaction<'static>, sqlx::Error>>,
{
    let early = async {
        loop {
            while pool.num_idle() == 0 {
                tokio::task::yield_now().await;
            }
            let mut begun = Box::pin(begin());
            // Now and then the answer is there at once.
            if begun.as_mut().now_or_never().is_none() {
                while !has_begun(observer).await {}
                return;
            }
        }
    };
    timeout(PATIENCE, early).await.expect("the server begins");
}

async fn has_begun(observer: &PgPool) -> bool {
    let other = "select exists (select from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and state = 'idle in transaction')";
    sqlx::query_scalar(other).fetch_one(observer).await.unwrap()
}

async fn notes(observer: &PgPool) -> i64 {
    sqlx::query_scalar("select count(*) from notes").fetch_one(observer).await.unwrap()
}

async fn table(observer: &PgPool) {
    sqlx::query("create table notes (words text)").execute(observer).await.unwrap();
}

const NOTE: &str = "insert into notes values ('acked')";

#[sqlx::test(migrations = false)]
async fn what_is_acked_after_somebody_left_early_is_kept(observer: PgPool) {
    table(&observer).await;
    let url = SecretString::from(observer.connect_options().to_url_lossy().to_string());
    let pool: Pool = connect(&url, &[], 1).unwrap();
    sqlx::query("select 1").execute(&pool).await.unwrap();
    leave_early(|| pool.begin(), &pool.current(), &observer).await;
    sqlx::query(NOTE).execute(&pool).await.unwrap();
    assert_eq!(notes(&observer).await, 1);
    assert!(!has_begun(&observer).await);
    // And whoever stays has a transaction.
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query(NOTE).execute(&mut *transaction).await.unwrap();
    assert_eq!(notes(&observer).await, 1);
    transaction.commit().await.unwrap();
    assert_eq!(notes(&observer).await, 2);
}

/// The control, and the day it goes red `Pool::begin` may be sqlx's own again.
#[sqlx::test(migrations = false)]
async fn a_begin_of_sqlx_loses_what_is_acked_after_it(observer: PgPool) {
    table(&observer).await;
    let options = PoolOptions::<Postgres>::new().max_connections(1).test_before_acquire(false);
    let pool = options.connect_with((*observer.connect_options()).clone()).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "it is what this is about")]
    leave_early(|| pool.begin(), &pool, &observer).await;
    sqlx::query(NOTE).execute(&pool).await.unwrap();
    assert_eq!(notes(&observer).await, 0, "acked and not committed");
}
