//! What a pool does and how far standbys are behind, as metrics.

use std::{collections::HashMap, time::Duration};

use metrics::gauge;
use tokio::time::{Instant, sleep, timeout};

use super::{ACQUIRE, Pool};
use crate::lifecycle::Lifecycle;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// The standbys of this server that stream. A role sees them when it was granted
/// `pg_read_all_stats`; without it there are none.
const STANDBYS: &str = "select application_name,
        coalesce(extract(epoch from replay_lag), 0)::float8,
        coalesce(pg_wal_lsn_diff(
            case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end,
            replay_lsn), 0)::float8
    from pg_stat_replication
    where state = 'streaming'
    order by application_name limit 100";

/// A standby as it was last seen.
struct Seen {
    at: Instant,
    lag: f64,
}

/// Looks until the process drains.
pub async fn watch(service: &'static str, pool: Pool, lifecycle: Lifecycle) {
    let mut standbys = HashMap::new();
    while !lifecycle.is_draining() {
        look_at_pool(service, &pool);
        look_at_standbys(service, &pool, &mut standbys).await;
        tokio::select! { () = sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

fn look_at_pool(service: &'static str, pool: &Pool) {
    if let Some((timeline, former)) = pool.state() {
        gauge!("database_timeline", "service" => service).set(timeline as f64);
        gauge!("database_former_primaries", "service" => service).set(former as f64);
    }
    let (used, idle) = pool.usage();
    let pool = pool.current();
    gauge!("database_connections", "service" => service, "state" => "idle").set(idle as f64);
    gauge!("database_connections", "service" => service, "state" => "used").set(used as f64);
    gauge!("database_connections_max", "service" => service)
        .set(f64::from(pool.options().get_max_connections()));
}

/// A standby that was there and is gone falls behind by the time since then.
async fn look_at_standbys(service: &'static str, pool: &Pool, known: &mut HashMap<String, Seen>) {
    let asked = sqlx::query_as::<_, (String, f64, f64)>(STANDBYS).fetch_all(pool);
    // A database that does not answer is somebody else's news.
    let Ok(Ok(found)) = timeout(ACQUIRE, asked).await else { return };
    gauge!("database_standbys", "service" => service).set(found.len() as f64);
    let now = Instant::now();
    for (name, seconds, bytes) in found {
        gauge!("database_standby_lag_bytes", "service" => service, "standby" => name.clone()).set(bytes);
        known.insert(name, Seen { at: now, lag: seconds });
    }
    for (name, seen) in known {
        let lag = seen.lag + (now - seen.at).as_secs_f64();
        gauge!("database_standby_lag_seconds", "service" => service, "standby" => name.clone()).set(lag);
    }
}
