//! Lists of events that an instance remembers, while others write.

use calendar_service::{
    MIGRATOR,
    calendar::{self, SettingsPatch},
    event::{self, PageRequest},
    member, message,
    model::Edit,
    outbox,
    service::Service,
};
use chassis::{fault::Fault, tokens::Identity};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, patch};

/// Reads of one instance, each of them so often that it is told from memory if anything is.
const READS: usize = 3;

struct Reader<'a> {
    world: &'a World,
    people: [&'a Identity; 2],
    calendar_id: Uuid,
    remembers: Service,
}

impl Reader<'_> {
    /// What an instance tells to everybody, by either read, or how it refuses.
    async fn told_by(&self, service: &Service) -> Vec<String> {
        let mut told = Vec::new();
        for who in self.people {
            let text = |list: Result<event::EventList, Fault>| {
                list.map_or_else(
                    |fault| fault.reason.as_str().to_owned(),
                    |list| format!("{}{}", str::from_utf8(&list.json).unwrap(), list.next_cursor),
                )
            };
            told.push(text(event::joined(service, who, "", "", "").await));
            let page = PageRequest { limit: 3, ..PageRequest::default() };
            told.push(text(event::page(service, who, self.calendar_id, &page).await));
        }
        told
    }

    /// The instance that remembers tells what one tells that has never heard of anything.
    async fn must_agree(&self, after: &str) {
        let fresh = self.told_by(&self.world.instance()).await;
        for read in 0..READS {
            assert_eq!(self.told_by(&self.remembers).await, fresh, "read {read} after {after}");
        }
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_told_from_memory_is_what_there_is(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let calendar_id = world.calendar(&ann, "Home").await.calendar_id;
    let reader = Reader { world: &world, people: [&ann, &bob], calendar_id, remembers: world.instance() };
    reader.must_agree("nothing").await;
    let dinner = world.event(&ann, "Home", json!({})).await.unwrap();
    reader.must_agree("an event").await;
    world.join(&bob, "Home").await;
    reader.must_agree("a new member").await;
    let lunch = world.event(&bob, "Home", json!({ "participants": ["ann"] })).await.unwrap();
    reader.must_agree("an event of another one").await;
    world.calendar(&bob, "Bobs").await;
    world.event(&bob, "Bobs", json!({})).await.unwrap();
    reader.must_agree("an event in another calendar").await;
    event::update(&world.service, &bob, dinner.event_id, "*", patch(json!({ "location": "Kitchen" })))
        .await
        .unwrap();
    reader.must_agree("an edit").await;
    event::delete(&world.service, &ann, lunch.event_id, "*").await.unwrap();
    reader.must_agree("a deletion").await;
    let settings = SettingsPatch {
        calendar_name: Edit::Set("House".to_owned()),
        default_reminders: Edit::Set(vec![5]),
        ..SettingsPatch::default()
    };
    calendar::update(&world.service, &ann, calendar_id, settings).await.unwrap();
    reader.must_agree("new settings").await;
    member::leave(&world.service, &ann, "House").await.unwrap();
    reader.must_agree("a departure").await;
    calendar::delete(&world.service, &bob, calendar_id).await.unwrap();
    reader.must_agree("the end").await;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_departure_is_told_as_far_as_its_job_is(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let calendar_id = world.calendar(&ann, "Home").await.calendar_id;
    world.join(&bob, "Home").await;
    world.event(&ann, "Home", json!({ "participants": ["bob"] })).await.unwrap();
    world.settle(&world.service).await;
    world.repeat_events(1200).await;
    let reader = Reader { world: &world, people: [&ann, &bob], calendar_id, remembers: world.instance() };
    reader.must_agree("an event with bob, many times").await;
    member::remove(&world.service, &ann, calendar_id, "bob").await.unwrap();
    let with_bob = "select count(*) from events where 'bob' = any(participant_names)";
    let mut left = Vec::new();
    for _ in 0..10 {
        reader.must_agree("a part of a departure").await;
        left.push(world.count(with_bob).await);
        outbox::round(&world.service).await.unwrap();
    }
    left.dedup();
    assert_eq!(left, [701, 201, 0]);
}

/// The negative control: a change that bypasses the log is not seen, by the instance that remembers.
#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_told_comes_from_memory(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let calendar_id = world.calendar(&ann, "Home").await.calendar_id;
    world.join(&bob, "Home").await;
    world.event(&ann, "Home", json!({})).await.unwrap();
    let reader = Reader { world: &world, people: [&ann, &bob], calendar_id, remembers: world.instance() };
    reader.must_agree("an event").await;
    let told = reader.told_by(&reader.remembers).await;
    sqlx::query("update events set summary = 'Supper'").execute(&world.pool).await.unwrap();
    // Neither is talk news of the events.
    let talk = message::payload("hi").unwrap();
    world.service.store.append_messages(calendar_id, &[ann.account_id], &[talk]).await.unwrap();
    assert_eq!(reader.told_by(&reader.remembers).await, told);
    assert_ne!(reader.told_by(&world.instance()).await, told);
    world.event(&ann, "Home", json!({})).await.unwrap();
    reader.must_agree("a change in the log").await;
}
