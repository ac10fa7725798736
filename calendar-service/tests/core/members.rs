//! Members: join, leave, roles, removal, the end of an account.

use std::time::Duration;

use calendar_service::{MIGRATOR, calendar, change, event, member, model::Role};
use chassis::tokens::Identity;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code};

async fn frames(world: &World, reader: &Identity, calendar_id: Uuid) -> Vec<Value> {
    let page = change::since(&world.service, reader, calendar_id, 0, 1000).await.unwrap();
    page.frames.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_password_makes_a_member_once(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (World::person("ann"), World::person("bob"));
    let made = world.calendar(&ann, "Home").await;
    let join = async |name: &str, password| member::join(&world.service, &bob, name, password).await;
    assert_eq!(code(&join("Nowhere", Some("pw")).await), "calendar_not_found");
    assert_eq!(code(&join("home", None).await), "wrong_password");
    assert_eq!(code(&join("home", Some("PW")).await), "wrong_password");
    let joined = join(" HOME", Some("pw")).await.unwrap();
    assert_eq!(
        (joined.calendar_id, &*joined.calendar_name, joined.role),
        (made.calendar_id, "Home", Role::Editor)
    );
    assert_eq!((joined.newly, joined.last_seq), (true, 2));
    let again = join("home", None).await.unwrap();
    assert_eq!((again.newly, again.last_seq), (false, 2));
    let frames = frames(&world, &bob, made.calendar_id).await;
    assert_eq!(
        (&frames[1]["type"], &frames[1]["username"], &frames[1]["role"]),
        (&json!("member_joined"), &json!("bob"), &json!("editor"))
    );
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn wrong_passwords_are_counted_before_the_hash(pool: PgPool) {
    let world = World::new(pool).await;
    world.calendar(&World::person("ann"), "Home").await;
    let bob = World::person("bob");
    let join = async |who: &Identity, password: &str| {
        code(&member::join(&world.service, who, "Home", Some(password)).await)
    };
    let tries = (0..8).map(|_| join(&bob, "guess"));
    let mut answers = futures::future::join_all(tries).await;
    answers.sort_unstable();
    assert_eq!(answers, [["rate_limited"; 3].as_slice(), &["wrong_password"; 5]].concat());
    assert_eq!(join(&bob, "pw").await, "rate_limited", "the right one as well: it is not looked at");

    // Nineteen more wrong ones of others spend what the calendar has left.
    let mut wrong = 5;
    for guesser in 0..4 {
        let guesser = World::person(&format!("guesser{guesser}"));
        for _ in 0..5 {
            wrong += i32::from(join(&guesser, "guess").await == "wrong_password");
        }
    }
    assert!((20..=21).contains(&wrong), "{wrong} of twenty a minute");
    assert_eq!(join(&World::person("carl"), "pw").await, "rate_limited");

    world.advance(Duration::from_secs(61)).await;
    for _ in 0..30 {
        let carl = World::person("carl");
        assert_eq!(join(&carl, "pw").await, "ok", "right ones are given back");
        member::leave(&world.service, &carl, "Home").await.unwrap();
    }
    assert_eq!(join(&bob, "pw").await, "ok");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn ownership_passes_to_the_member_longest_in(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob, carl] = ["ann", "bob", "carl"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&carl, "Home").await;
    world.join(&bob, "Home").await;
    assert_eq!(member::leave(&world.service, &ann, "Home").await, Ok(made.calendar_id));
    assert_eq!(code(&member::leave(&world.service, &ann, "Home").await), "not_a_member");
    assert_eq!(code(&member::list(&world.service, &ann, made.calendar_id).await), "calendar_not_found");
    let members = member::list(&world.service, &bob, made.calendar_id).await.unwrap();
    let members: Vec<_> = members.iter().map(|member| (&*member.username, member.role)).collect();
    assert_eq!(members, [("carl", Role::Owner), ("bob", Role::Editor)]);
    let frames = frames(&world, &bob, made.calendar_id).await;
    let kinds: Vec<_> = frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["member_joined", "member_joined", "member_joined", "role_changed", "member_left"]);

    member::leave(&world.service, &bob, "Home").await.unwrap();
    member::leave(&world.service, &carl, "Home").await.unwrap();
    assert_eq!(code(&member::join(&world.service, &bob, "Home", Some("pw")).await), "calendar_not_found");
    world.calendar(&bob, "Home").await;
    assert_eq!(
        world.count("select count(*) from calendars where deleted_at is not null").await,
        1,
        "kept for undo"
    );
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_removed_member_is_barred_until_readmitted(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    member::remove(&world.service, &ann, made.calendar_id, "BOB").await.unwrap();
    assert_eq!(
        code(&member::remove(&world.service, &ann, made.calendar_id, "bob").await),
        "member_not_found"
    );
    assert_eq!(code(&member::join(&world.service, &bob, "Home", Some("pw")).await), "barred");
    assert_eq!(code(&calendar::list(&world.service, &bob).await), "ok");
    assert!(calendar::list(&world.service, &bob).await.unwrap().is_empty());

    let back = member::set_role(&world.service, &ann, made.calendar_id, "bob", Role::Viewer).await.unwrap();
    assert_eq!((back.account_id, back.role), (bob.account_id, Role::Viewer));
    let found = member::join(&world.service, &bob, "Home", None).await.unwrap();
    assert_eq!((found.role, found.newly), (Role::Viewer, false));
    let nobody = member::set_role(&world.service, &ann, made.calendar_id, "eve", Role::Viewer).await;
    assert_eq!(code(&nobody), "member_not_found");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn there_is_always_an_owner(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let set = async |who: &Identity, name: &str, role| {
        code(&member::set_role(&world.service, who, made.calendar_id, name, role).await)
    };
    assert_eq!(set(&ann, "ann", Role::Editor).await, "last_owner");
    assert_eq!(code(&member::remove(&world.service, &ann, made.calendar_id, "ann").await), "last_owner");
    assert_eq!(set(&ann, "bob", Role::Owner).await, "ok");
    // Each takes the other's ownership at once: one of them is too late.
    let both = futures::future::join(set(&ann, "bob", Role::Viewer), set(&bob, "ann", Role::Viewer)).await;
    assert!(matches!(both, ("ok", "forbidden") | ("forbidden", "ok")), "{both:?}");
    assert_eq!(world.count("select count(*) from members where role = 'owner'").await, 1);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn who_leaves_is_no_participant_any_more(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let with = world.event(&ann, "Home", json!({ "participants": ["bob"] })).await.unwrap();
    let own = world.event(&bob, "Home", json!({})).await.unwrap();
    world.settle(&world.service).await;
    member::leave(&world.service, &bob, "Home").await.unwrap();

    let left = calendar::list(&world.service, &ann).await.unwrap()[0].last_seq;
    let read = event::get(&world.service, &ann, with.event_id).await.unwrap();
    assert_eq!((read.participants, read.seq), (vec!["ann".to_owned()], left));
    assert_ne!(read.etag, with.etag);
    let read = event::get(&world.service, &ann, own.event_id).await.unwrap();
    assert_eq!((read.participants.len(), read.created_by.as_str()), (0, "bob"));
    assert_eq!(world.count("select count(*) from events where ical like '%ATTENDEE%'").await, 1);

    world.settle(&world.service).await;
    assert_eq!(world.auth.records(with.event_id).unwrap().accounts, [ann.account_id].into());
    assert_eq!(world.auth.records(own.event_id), None);

    world.join(&bob, "Home").await;
    let read = event::get(&world.service, &ann, with.event_id).await.unwrap();
    assert_eq!(read.participants, ["ann"], "coming back does not bring it back");
    let _ = made;
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_departure_from_many_events_is_finished_by_a_job(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    world.event(&ann, "Home", json!({ "participants": ["bob"] })).await.unwrap();
    world.settle(&world.service).await;
    world.repeat_events(1200).await;
    member::remove(&world.service, &ann, made.calendar_id, "bob").await.unwrap();
    assert_eq!(world.count("select count(*) from events where 'bob' = any(participant_names)").await, 701);
    world.settle(&world.service).await;
    assert_eq!(world.count("select count(*) from events where cardinality(participants) <> 1").await, 0);
    assert_eq!(world.count("select count(*) from events where participant_names <> '{ann}'").await, 0);
    assert_eq!(world.auth.calls("set"), 1201);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_end_of_an_account_ends_its_memberships_once(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, bob] = ["ann", "bob"].map(World::person);
    world.calendar(&ann, "Alone").await;
    let home = world.calendar(&ann, "Home").await;
    let foreign = world.calendar(&bob, "Foreign").await;
    world.join(&bob, "Home").await;
    world.join(&ann, "Foreign").await;
    member::remove(&world.service, &bob, foreign.calendar_id, "ann").await.unwrap();
    for _ in 0..2 {
        member::remove_account(&world.service, ann.account_id).await.unwrap();
    }
    let views = calendar::list(&world.service, &bob).await.unwrap();
    let views: Vec<_> =
        views.iter().map(|view| (view.calendar_name.as_str(), view.role, view.member_count)).collect();
    assert_eq!(views, [("Foreign", Role::Owner, 1), ("Home", Role::Owner, 1)]);
    let kinds: Vec<_> =
        frames(&world, &bob, home.calendar_id).await.into_iter().map(|frame| frame["type"].clone()).collect();
    assert_eq!(kinds, ["member_joined", "member_joined", "role_changed", "member_left"]);
    assert_eq!(world.count("select count(*) from barred_members").await, 0);
    assert_eq!(world.count("select count(*) from calendars where deleted_at is not null").await, 1);
}
