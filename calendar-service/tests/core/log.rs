//! One cursor per calendar: gapless, in commit order, published after commit.

use std::sync::Arc;

use calendar_service::{
    MIGRATOR,
    bus::{Heard, Publication},
    change, message,
    model::{Change, ChangeKind, NewChange},
};
use chassis::postgres::Pool;
use serde_json::json;
use sqlx::PgPool;

use crate::world::{World, code, eventually};

/// The first seq that is not one more than the one before it.
fn first_gap(changes: &[Change], after: i64) -> Option<i64> {
    changes
        .iter()
        .zip(after + 1..)
        .find(|(change, expected)| change.seq != *expected)
        .map(|(change, _)| change.seq)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn fifty_creators_leave_no_gap_and_a_reader_never_sees_one(pool: PgPool) {
    let world = Arc::new(World::new(pool).await);
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    let creators = (0..50).map(|number| {
        let (world, ann) = (Arc::clone(&world), ann.clone());
        tokio::spawn(async move {
            code(&world.event(&ann, "Home", json!({ "event_name": number.to_string() })).await)
        })
    });
    let creators: Vec<_> = creators.collect();
    let mut seen = 1;
    let done = tokio::spawn(futures::future::join_all(creators));
    loop {
        let over = done.is_finished();
        let new = world.service.store.changes_after(made.calendar_id, seen, 1000).await.unwrap();
        assert_eq!(first_gap(&new, seen), None, "a reader who follows sees every seq once, in order");
        seen = new.last().map_or(seen, |change| change.seq);
        if over {
            break;
        }
    }
    let codes: Vec<_> = done.await.unwrap().into_iter().map(Result::unwrap).collect();
    let created = codes.iter().filter(|code| **code == "ok").count() as i64;
    assert!(created >= 40, "{codes:?}");
    assert_eq!(seen, 1 + created, "an answer for each, and nothing else");
    assert_eq!(world.service.store.last_seqs(&[made.calendar_id]).await.unwrap(), [(made.calendar_id, seen)]);
}

/// The negative control of the test above: numbers from a sequence, which
/// commit out of order, are seen with a gap.
#[sqlx::test(migrator = "MIGRATOR")]
async fn a_sequence_would_show_a_gap(pool: PgPool) {
    let world = World::new(pool).await;
    let made = world.calendar(&World::person("ann"), "Home").await;
    sqlx::query("create sequence careless start 2").execute(&world.pool).await.unwrap();
    let insert = "insert into calendar_changes (calendar_id, seq, kind, by_name, payload)
                  values ($1, nextval('careless'), 'message', 'ann', '{}')";
    let mut slow = Pool::from(world.pool.clone()).begin().await.unwrap();
    sqlx::query(insert).bind(made.calendar_id).execute(&mut *slow).await.unwrap();
    sqlx::query(insert).bind(made.calendar_id).execute(&world.pool).await.unwrap();
    let seen = world.service.store.changes_after(made.calendar_id, 1, 10).await.unwrap();
    assert_eq!(first_gap(&seen, 1), Some(3));
    slow.commit().await.unwrap();
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn who_appends_second_waits_for_the_first_commit(pool: PgPool) {
    let world = World::new(pool).await;
    let made = world.calendar(&World::person("ann"), "Home").await;
    let change =
        || NewChange { kind: ChangeKind::Message, by: "ann".into(), subject: None, payload: "{}".to_owned() };
    let mut first = world.service.store.begin().await.unwrap();
    let placed = first.append(made.calendar_id, vec![change(), change()]).await.unwrap();
    assert_eq!(placed.iter().map(|change| change.seq).collect::<Vec<_>>(), [2, 3]);
    let store = world.service.store.clone();
    let second = tokio::spawn(async move {
        let mut tx = store.begin().await.unwrap();
        let placed = tx.append(made.calendar_id, vec![change()]).await.unwrap();
        tx.commit().await.unwrap();
        placed[0].seq
    });
    eventually("the second one waits", async || {
        world.count("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()").await == 1
    })
    .await;
    // The first one gives up: its numbers are free again.
    drop(first);
    assert_eq!(second.await.unwrap(), 2);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_committed_is_published_once(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let mut feed = world.service.bus.subscribe();
    let made = world.calendar(&ann, "Home").await;
    world.event(&ann, "Home", json!({})).await.unwrap();
    let refused = world.event(&ann, "Home", json!({ "participants": ["eve"] })).await;
    assert_eq!(code(&refused), "participant_unknown");
    world.join(&World::person("bob"), "Home").await;
    let mut heard = Vec::new();
    while let Ok(Heard::Said { what, .. }) = feed.try_recv() {
        let Publication::Changes(changes) = &*what else { panic!("{what:?}") };
        heard.extend(changes.iter().map(|change| (change.seq, change.kind)));
    }
    assert_eq!(
        heard,
        [(1, ChangeKind::MemberJoined), (2, ChangeKind::EventCreated), (3, ChangeKind::MemberJoined)]
    );
    let logged = world.service.store.changes_after(made.calendar_id, 0, 10).await.unwrap();
    assert_eq!(logged.iter().map(|change| (change.seq, change.kind)).collect::<Vec<_>>(), heard);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_log_is_read_in_pages(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    for _ in 0..4 {
        world.event(&ann, "Home", json!({})).await.unwrap();
    }
    let page = async |since, limit| change::since(&world.service, &ann, made.calendar_id, since, limit).await;
    let first = page(0, 3).await.unwrap();
    assert_eq!((first.frames.len(), first.last_seq), (3, 5));
    assert_eq!(page(3, 3).await.unwrap().frames.len(), 2);
    assert_eq!(page(99, 3).await.unwrap().frames.len(), 0);
    assert_eq!(code(&page(-1, 3).await), "invalid");
    assert_eq!(code(&page(0, 1001).await), "invalid");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn messages_are_read_newest_first(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    let store = &world.service.store;
    for text in ["one", "two", "three"] {
        let payload = message::payload(text).unwrap();
        store.append_messages(made.calendar_id, &[ann.account_id], &[payload]).await.unwrap();
        world.event(&ann, "Home", json!({})).await.unwrap();
    }
    let read = async |who, before, limit| {
        change::messages(&world.service, who, made.calendar_id, before, limit).await
    };
    let said: Vec<_> =
        read(&ann, 0, 2).await.unwrap().into_iter().map(|said| (said.seq, said.message)).collect();
    assert_eq!(said, [(6, "three".to_owned()), (4, "two".to_owned())]);
    let said: Vec<_> = read(&ann, 4, 0).await.unwrap().into_iter().map(|said| said.message).collect();
    assert_eq!(said, ["one"]);
    assert!(read(&ann, 2, 0).await.unwrap().is_empty());
    assert_eq!(code(&read(&ann, -1, 0).await), "invalid");
    assert_eq!(code(&read(&ann, 0, 201).await), "invalid");
    assert_eq!(code(&read(&World::person("eve"), 0, 0).await), "calendar_not_found");
}
