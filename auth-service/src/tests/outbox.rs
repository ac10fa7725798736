//! The outbox: leases, fences, order.

use std::{sync::Arc, time::Duration};

use chassis::lifecycle::Lifecycle;
use sqlx::PgPool;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{fixture::Fixture, receiver};
use crate::store::{MessageKind, Receiver, Store};

const LEASE: Duration = Duration::from_secs(15);

async fn post(fixture: &Fixture, key: Uuid) {
    let mut tx = fixture.app.store.begin().await.expect("begun");
    tx.post(key, MessageKind::AccountRemoved, Receiver::Calendar).await.expect("posted");
    tx.commit().await.expect("committed");
}

async fn claim(store: &Store) -> Vec<crate::store::Message> {
    store.claim_messages(16, LEASE).await.expect("claimed")
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_claim_is_exclusive_until_its_lease_ends_and_then_fenced_off(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let store = &fixture.app.store;
    post(&fixture, Uuid::now_v7()).await;
    let frozen = claim(store).await;
    assert_eq!((frozen.len(), frozen[0].attempts), (1, 1));
    assert!(claim(store).await.is_empty(), "claimed twice");
    fixture.advance(LEASE + Duration::from_secs(1)).await;
    let second = claim(store).await;
    assert_eq!((second.len(), second[0].attempts), (1, 2));
    // The first worker thaws: whatever it records is refused.
    assert_eq!(store.settle_message(&frozen[0]).await, Ok(false));
    assert_eq!(store.postpone_message(&frozen[0], Duration::ZERO).await, Ok(false));
    assert_eq!(store.settle_message(&second[0]).await, Ok(true));
    assert_eq!(fixture.outbox_rows().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_order_of_a_key_is_kept_and_keys_do_not_wait_for_each_other(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let store = &fixture.app.store;
    let (stuck, free) = (Uuid::now_v7(), Uuid::now_v7());
    for key in [stuck, stuck, free] {
        post(&fixture, key).await;
    }
    let first = claim(store).await;
    assert_eq!(first.iter().map(|message| message.key).collect::<Vec<_>>(), [stuck, free]);
    // The second of a key waits, also while the first waits for its next try.
    assert_eq!(store.postpone_message(&first[0], Duration::from_mins(1)).await, Ok(true));
    assert!(claim(store).await.is_empty());
    fixture.advance(Duration::from_mins(2)).await;
    let again = claim(store).await;
    assert_eq!(again[0].outbox_id, first[0].outbox_id);
    assert_eq!(store.settle_message(&again[0]).await, Ok(true));
    let then = claim(store).await;
    assert_eq!(then[0].key, stuck);
    assert!(then[0].outbox_id > first[0].outbox_id);
}

/// Two instances' loops over fifty rows: each is delivered, and none stays.
#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn instances_share_the_work(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let calendar = receiver::Receiver::start(fixture.config.service_token.clone()).await;
    let fixture = fixture.restart(|config| config.calendar_url = calendar.url()).await;
    let mut keys: Vec<_> = (0..50).map(|_| Uuid::now_v7()).collect();
    for key in &keys {
        post(&fixture, *key).await;
    }
    let lifecycle = Lifecycle::new();
    let second = Arc::new(fixture.second_instance());
    for outbox in [fixture.app.outbox.clone(), second.outbox.clone()] {
        let until = lifecycle.clone();
        lifecycle.spawn(async move { outbox.run(until).await });
    }
    let drained = async {
        while fixture.outbox_rows().await > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), drained).await.expect("drained in time");
    lifecycle.drain();
    lifecycle.finish().await;
    let mut heard: Vec<Uuid> = calendar.heard().into_iter().map(|(_, account)| account).collect();
    heard.sort_unstable();
    keys.sort_unstable();
    assert_eq!(heard, keys, "nothing failed, so each was delivered once");
}
