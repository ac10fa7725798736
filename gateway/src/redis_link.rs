//! Redis, as something that may be away (PROMISES, rules 5 and 8).
//!
//! A call is given 50 ms. The first one that fails opens a breaker: until it
//! closes calls fail at once, so that 50 ms is the cost of a request and not of
//! each call; one at a time is let through to see. A connection that answers
//! nothing for long is thrown away: a network that swallowed packets comes back
//! long before TCP believes it.

mod breaker;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use redis::{
    Client, FromRedisValue, Pipeline, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{Instant, timeout};

use self::breaker::Breaker;

/// Every call to Redis.
const DEADLINE: Duration = Duration::from_millis(50);
/// A new connection, in the background.
const CONNECT: Duration = Duration::from_secs(1);
/// Failed looks in a row after which the connection is replaced.
const GIVE_UP_AFTER: u32 = 4;

/// One Redis, shared by all that use it.
pub struct RedisLink {
    client: Client,
    connection: Mutex<ConnectionManager>,
    breaker: Breaker,
}

/// Redis did not answer, or not in time, or was not asked.
#[derive(Debug, thiserror::Error)]
#[error("Redis is not available")]
pub struct Away;

// === impl RedisLink ===

impl RedisLink {
    /// A link that connects when first used. Must be called within a runtime.
    pub fn new(url: &str) -> RedisResult<Self> {
        let client = Client::open(url)?;
        let connection = Mutex::new(connect(&client)?);
        Ok(Self { client, connection, breaker: Breaker::new() })
    }

    /// Runs commands in one round trip.
    pub async fn run<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, Away> {
        let Some(permit) = self.breaker.admit(Instant::now()) else { return Err(Away) };
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let outcome = timeout(DEADLINE, commands.query_async(&mut connection)).await;
        let error = match outcome {
            Ok(Ok(value)) => {
                if permit.succeed() {
                    tracing::info!("Redis answers again");
                }
                return Ok(value);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => "no answer in 50 ms".to_owned(),
        };
        let failures = permit.fail(Instant::now());
        if failures == 1 {
            tracing::warn!(error, "Redis does not answer, going on without it");
        }
        if failures.is_multiple_of(GIVE_UP_AFTER) {
            self.reconnect();
        }
        Err(Away)
    }

    fn reconnect(&self) {
        match connect(&self.client) {
            Ok(fresh) => *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => tracing::warn!(%error, "cannot prepare a connection to Redis"),
        }
    }
}

fn connect(client: &Client) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(CONNECT))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(200));
    let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
    // A lazy connection is made by whoever waits for it, and callers wait 50 ms:
    // this one waits until it is there. Ends by itself, by the time-outs above.
    let mut first = manager.clone();
    tokio::spawn(async move {
        let _: RedisResult<()> = redis::cmd("PING").query_async(&mut first).await;
    });
    Ok(manager)
}
