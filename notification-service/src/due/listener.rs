//! Hears from the other instances what will be due soon.

use std::time::Duration;

use chassis::fault::chain;
use jiff::Timestamp;
use sqlx::postgres::PgListener;
use tokio::time::sleep;

use super::Alarm;
use crate::store::{DUE_CHANNEL, Store};

/// While the database is away; the ticker's looks go on by themselves.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for ever. What is announced while nobody listens is found by the
/// ticker's next look at the table, half a second later at most.
pub(super) async fn run(store: Store, alarm: Alarm) {
    loop {
        if let Err(error) = listen(&store, &alarm).await {
            tracing::debug!(error = chain(&error), "cannot listen for due work");
        }
        sleep(PAUSE).await;
    }
}

async fn listen(store: &Store, alarm: &Alarm) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&store.pool().current()).await?;
    listener.listen(DUE_CHANNEL).await?;
    loop {
        // Reconnects by itself when the connection breaks; an error when there is another primary.
        let heard = listener.recv().await?;
        let moment = heard.payload().parse().ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
        if let Some(moment) = moment {
            alarm.set(moment);
        }
    }
}
