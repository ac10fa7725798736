//! The connection of the bus: it comes back by itself, and is replaced when it
//! does not. A network that swallowed packets comes back long before TCP
//! believes it.

use std::time::Duration;

use redis::{
    Client, PushInfo, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

/// All instances publish here.
const CHANNEL: &str = "calendar:rooms";
/// For one round trip; nobody waits for it but the queue.
const ANSWER_WITHIN: Duration = Duration::from_millis(250);
/// For a new connection, and for it to subscribe.
const CONNECT: Duration = Duration::from_secs(1);
/// Signs of life in a row that did not come back: the connection is replaced.
const GIVE_UP_AFTER: u32 = 6;

/// The connection of the bus.
pub(super) struct Link {
    client: Client,
    /// Where what comes is put.
    pushes: mpsc::Sender<PushInfo>,
    connection: Option<ConnectionManager>,
    subscribing: Option<JoinHandle<()>>,
    mended: u32,
    away: bool,
}

// === impl Link ===

impl Link {
    /// No connection yet.
    pub(super) const fn new(client: Client, pushes: mpsc::Sender<PushInfo>) -> Self {
        Self { client, pushes, connection: None, subscribing: None, mended: 0, away: false }
    }

    /// Whether the last round trip failed.
    pub(super) const fn is_away(&self) -> bool {
        self.away
    }

    /// One round trip; whether it came to its end.
    pub(super) async fn publish(&mut self, texts: &[String]) -> bool {
        let Some(connection) = &mut self.connection else {
            self.away = true;
            return false;
        };
        let mut pipe = redis::pipe();
        for text in texts {
            pipe.publish(CHANNEL, text).ignore();
        }
        let outcome = timeout(ANSWER_WITHIN, pipe.query_async::<()>(connection)).await;
        self.away = !matches!(outcome, Ok(Ok(())));
        if let Ok(Err(error)) = outcome {
            tracing::debug!(%error, "cannot publish");
        }
        !self.away
    }

    /// What was sent has come back.
    pub(super) const fn works(&mut self) {
        self.mended = 0;
    }

    /// What was sent has not come back: subscribes (again), after some tries
    /// over a new connection.
    pub(super) fn mend(&mut self) {
        if self.mended.is_multiple_of(GIVE_UP_AFTER) {
            match connect(&self.client, self.pushes.clone()) {
                Ok(fresh) => self.connection = Some(fresh),
                Err(error) => tracing::warn!(%error, "cannot prepare a connection to Redis"),
            }
            self.subscribing = None;
        }
        self.mended += 1;
        let Some(connection) = &self.connection else { return };
        if self.subscribing.as_ref().is_none_or(JoinHandle::is_finished) {
            // A lazy connection is made by whoever waits for it, and a beat does
            // not wait that long. Ends by itself, by the time-outs below.
            let mut connection = connection.clone();
            self.subscribing = Some(tokio::spawn(async move {
                if let Err(error) = connection.subscribe(CHANNEL).await {
                    tracing::debug!(%error, "cannot subscribe");
                }
            }));
        }
    }
}

fn connect(client: &Client, pushes: mpsc::Sender<PushInfo>) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(CONNECT))
        .set_number_of_retries(1)
        .set_max_delay(Duration::from_millis(200))
        // What does not fit is noticed by the number that is missing then.
        .set_push_sender(move |push| pushes.try_send(push).map_err(drop))
        .set_automatic_resubscription();
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
