//! The inbox: once per delivery, one order per account, bounded.

use std::{collections::HashMap, time::Duration};

use calendar_service::{
    MIGRATOR,
    inbox::{self, Notification},
    member,
    model::InboxKind,
    store::{INBOX_ENTRIES, NewEntry},
};
use chassis::tokens::Identity;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code};

fn notification(id: &str, person: &Identity) -> Notification {
    Notification {
        id: id.to_owned(),
        account_id: person.account_id,
        message: format!("\"{id}\""),
        device_id: String::new(),
    }
}

async fn entries(world: &World, person: &Identity) -> Vec<(i64, Value)> {
    let page = inbox::list(&world.service, person, 0, 1000).await.unwrap();
    let entries = page.entries.iter();
    entries.map(|entry| (entry.seq, serde_json::from_str(&entry.frame()).unwrap())).collect()
}

/// The numbers that are missing between 1 and each account's last.
async fn gaps(pool: &PgPool) -> Vec<(Uuid, i64)> {
    sqlx::query_as(
        "select account_id, n from inboxes cross join lateral generate_series(1, last_seq) as n
         where not exists (select from inbox_entries e where e.account_id = inboxes.account_id and e.seq = n)",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn fifty_deliveries_of_one_id_are_one_entry(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let one = notification("one", &ann);
    let tries = (0..50).map(|_| inbox::notify(&world.service, &one));
    for done in futures::future::join_all(tries).await {
        done.unwrap();
    }
    inbox::notify(&world.service, &notification("two", &ann)).await.unwrap();
    // An id may come from people: the same one for somebody else is another delivery.
    inbox::notify(&world.service, &notification("two", &bob)).await.unwrap();
    let heard = entries(&world, &ann).await;
    assert_eq!(heard.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&heard[0].1["id"], &heard[0].1["message"]), (&json!("one"), &json!("\"one\"")));
    assert!(heard[0].1.get("device_id").is_none());
    assert_eq!(entries(&world, &bob).await.len(), 1);

    // Negative control: without the record of deliveries it is another entry.
    sqlx::query("delete from deliveries where delivery_id like '%/one'").execute(&world.pool).await.unwrap();
    inbox::notify(&world.service, &one).await.unwrap();
    assert_eq!(entries(&world, &ann).await.len(), 3);
    let empty = Notification { message: " ".to_owned(), ..notification("three", &ann) };
    assert_eq!(code(&inbox::notify(&world.service, &empty).await), "invalid");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn seq_has_no_gap_whoever_writes_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let people: Vec<_> = ["ann", "bob", "carl"].map(World::person).into();
    let accounts: Vec<_> = people.iter().map(|person| person.account_id).collect();
    let instances = [world.instance(), world.instance()];
    let writers = (0..40_usize).map(|n| {
        let (service, accounts, people) = (&instances[n % 2], &accounts, &people);
        async move {
            // Some to one, some to all (in any order), some given up.
            if n % 2 == 0 {
                let id = format!("n{n}");
                return inbox::notify(service, &notification(&id, &people[n % 3])).await.unwrap();
            }
            let mut all = accounts.clone();
            all.rotate_left(n % 3);
            let mut tx = service.store.begin().await.unwrap();
            let entry = NewEntry { kind: InboxKind::Reminder, payload: "{}", until: None };
            tx.put_into_inboxes(&all, entry).await.unwrap();
            if n % 5 != 0 {
                tx.commit().await.unwrap();
            }
        }
    });
    futures::future::join_all(writers).await;
    let mut counted: HashMap<Uuid, usize> = HashMap::new();
    for person in &people {
        counted.insert(person.account_id, entries(&world, person).await.len());
    }
    assert_eq!(counted.values().sum::<usize>(), 20 + 16 * 3);
    assert!(gaps(&world.pool).await.is_empty());
    // Negative control: the check sees a gap.
    sqlx::query("delete from inbox_entries where account_id = $1 and seq = 2")
        .bind(accounts[0])
        .execute(&world.pool)
        .await
        .unwrap();
    assert_eq!(gaps(&world.pool).await, [(accounts[0], 2)]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn pages_and_what_was_seen(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let nothing = inbox::list(&world.service, &ann, 0, 0).await.unwrap();
    assert_eq!((nothing.entries.len(), nothing.last_seq), (0, 0));
    for n in 0..5 {
        inbox::notify(&world.service, &notification(&n.to_string(), &ann)).await.unwrap();
    }
    let page = inbox::list(&world.service, &ann, 1, 2).await.unwrap();
    assert_eq!(page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(page.last_seq, 5);
    assert_eq!(code(&inbox::list(&world.service, &ann, -1, 0).await), "invalid");
    assert_eq!(code(&inbox::list(&world.service, &ann, 0, 1001).await), "invalid");

    inbox::mark_seen(&world.service, &ann, 3).await.unwrap();
    inbox::mark_seen(&world.service, &World::person("bob"), 5).await.unwrap();
    let page = inbox::list(&world.service, &ann, 0, 0).await.unwrap();
    let seen: Vec<_> = page.entries.iter().map(|entry| entry.seen).collect();
    assert_eq!(seen, [true, true, true, false, false]);
    assert_eq!(code(&inbox::mark_seen(&world.service, &ann, -1).await), "invalid");
    let untold = world.service.store.untold(&[ann.account_id], 10).await.unwrap();
    assert_eq!(untold.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [4, 5], "seen is told");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn an_inbox_is_bounded(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let store = &world.service.store;
    let mut tx = store.begin().await.unwrap();
    for _ in 0..INBOX_ENTRIES + 3 {
        let entry = NewEntry { kind: InboxKind::Notification, payload: "{}", until: None };
        tx.put_into_inboxes(&[ann.account_id], entry).await.unwrap();
    }
    tx.commit().await.unwrap();
    let page = inbox::list(&world.service, &ann, 0, 1000).await.unwrap();
    assert_eq!((page.entries[0].seq, page.entries.len()), (4, 1000));
    inbox::notify(&world.service, &notification("b", &bob)).await.unwrap();
    inbox::mark_seen(&world.service, &ann, 10).await.unwrap();

    let day = Duration::from_hours(24);
    let sweep = async || {
        for _ in 0..5 {
            store.sweep_inboxes(4).await.unwrap();
            store.sweep_deliveries(4).await.unwrap();
        }
    };
    world.advance(day * 29).await;
    sweep().await;
    assert_eq!(world.count("select count(*) from inbox_entries").await, 1001);
    assert_eq!(world.count("select count(*) from deliveries").await, 1);
    world.advance(day * 2).await;
    sweep().await;
    assert_eq!(world.count("select count(*) from inbox_entries").await, 1001 - 7);
    assert_eq!(world.count("select count(*) from deliveries").await, 0);

    member::remove_account(&world.service, ann.account_id).await.unwrap();
    assert_eq!(world.count("select count(*) from inbox_entries").await, 1);
    assert_eq!(world.count("select count(*) from inboxes").await, 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_peer_is_somebody_in_a_calendar_of_mine(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(World::person);
    let home = world.calendar(&ann, "Home").await;
    world.calendar(&carl, "Alone").await;
    world.join(&bob, "Home").await;
    let find =
        async |who: &Identity, name: &str| member::find_peer(&world.service, who.account_id, name).await;
    assert_eq!(find(&ann, "BOB").await, Ok(bob.account_id));
    assert_eq!(find(&ann, "ann").await, Ok(ann.account_id), "oneself");
    for stranger in ["carl", "eve", "", "\0"] {
        assert_eq!(code(&find(&ann, stranger).await), "not_found", "{stranger:?}");
    }
    calendar_service::calendar::delete(&world.service, &ann, home.calendar_id).await.unwrap();
    assert_eq!(code(&find(&ann, "bob").await), "not_found");
}
