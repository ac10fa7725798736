//! Calendars: create, list, update, delete.

use calendar_service::{
    MIGRATOR,
    calendar::{self, NewCalendar, SettingsPatch},
    change, member,
    model::Edit,
};
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code};

fn new(name: &str) -> NewCalendar {
    NewCalendar {
        calendar_name: name.to_owned(),
        calendar_password: "pw".to_owned(),
        ..NewCalendar::default()
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_creator_is_owner_and_member(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = calendar::create(
        &world.service,
        &ann,
        NewCalendar { time_zone: "europe/berlin".into(), color: "#AABBCC".into(), ..new("  Familie ") },
    );
    let made = made.await.unwrap();
    assert_eq!(
        (made.calendar_name.as_str(), made.time_zone.as_str(), made.color.as_str()),
        ("Familie", "Europe/Berlin", "#aabbcc")
    );
    assert_eq!((made.role.as_str(), made.member_count, made.last_seq), ("owner", 1, 1));

    let listed = calendar::list(&world.service, &ann).await.unwrap();
    assert_eq!(format!("{listed:?}"), format!("{:?}", [made]));
    assert!(calendar::list(&world.service, &World::person("eve")).await.unwrap().is_empty());
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_name_is_taken_without_case_until_the_calendar_is_gone(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (World::person("ann"), World::person("bob"));
    let made = world.calendar(&ann, "Straße").await;
    assert_eq!(code(&calendar::create(&world.service, &bob, new("STRASSE")).await), "calendar_name_taken");
    let other = world.calendar(&bob, "Other").await;
    let rename =
        |name: &str| SettingsPatch { calendar_name: Edit::Set(name.to_owned()), ..SettingsPatch::default() };
    let taken = calendar::update(&world.service, &bob, other.calendar_id, rename("strasse")).await;
    assert_eq!(code(&taken), "calendar_name_taken");
    let own_case = calendar::update(&world.service, &bob, other.calendar_id, rename("OTHER")).await;
    assert_eq!(own_case.unwrap().calendar_name, "OTHER");

    calendar::delete(&world.service, &ann, made.calendar_id).await.unwrap();
    assert!(calendar::create(&world.service, &bob, new("strasse")).await.is_ok());
    assert!(calendar::list(&world.service, &ann).await.unwrap().is_empty());
    assert_eq!(code(&member::find(&world.service, &ann, "strasse").await), "not_a_member");
    assert_eq!(code(&calendar::delete(&world.service, &ann, made.calendar_id).await), "calendar_not_found");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn fifty_at_once_make_one_calendar(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let tries = (0..50).map(|_| calendar::create(&world.service, &ann, new("Home")));
    let done = futures::future::join_all(tries).await;
    assert_eq!(done.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(done.iter().all(|result| matches!(code(result), "ok" | "calendar_name_taken")), "{done:?}");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn every_wrong_field_is_named_at_once(pool: PgPool) {
    let world = World::new(pool).await;
    let bad = NewCalendar {
        calendar_name: "\u{7}".into(),
        calendar_password: String::new(),
        time_zone: "Mars/Base".into(),
        color: "red".into(),
    };
    let fault = calendar::create(&world.service, &World::person("ann"), bad).await.unwrap_err();
    let fields: Vec<_> = fault.fields.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["calendar_name", "calendar_password", "time_zone", "color"]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn settings_change_for_everybody(pool: PgPool) {
    let world = World::new(pool).await;
    let (ann, bob) = (World::person("ann"), World::person("bob"));
    let made = world.calendar(&ann, "Home").await;
    world.join(&bob, "Home").await;
    let patch = SettingsPatch {
        calendar_name: Edit::Set("House".into()),
        calendar_password: Edit::Set("new".into()),
        time_zone: Edit::Set("Asia/Tokyo".into()),
        color: Edit::Set("#010203".into()),
        default_reminders: Edit::Set(vec![30, 10, 30]),
    };
    let changed = calendar::update(&world.service, &ann, made.calendar_id, patch).await.unwrap();
    assert_eq!((changed.calendar_name.as_str(), changed.last_seq, changed.member_count), ("House", 3, 2));
    assert_eq!(changed.default_reminders, [10, 30]);

    let page = change::since(&world.service, &bob, made.calendar_id, 2, 0).await.unwrap();
    let frame: Value = serde_json::from_str(&page.frames[0]).unwrap();
    assert_eq!((frame["type"].as_str(), frame["seq"].as_i64()), (Some("settings_changed"), Some(3)));
    assert_eq!(frame["calendar"]["calendar_name"], "House");
    assert_eq!(frame["calendar"]["default_reminders"], serde_json::json!([10, 30]));

    let carl = World::person("carl");
    assert_eq!(code(&member::join(&world.service, &carl, "House", Some("pw")).await), "wrong_password");
    assert!(member::join(&world.service, &carl, "house", Some("new")).await.unwrap().newly);

    let cleared =
        SettingsPatch { calendar_name: Edit::Clear, time_zone: Edit::Clear, ..SettingsPatch::default() };
    assert_eq!(code(&calendar::update(&world.service, &ann, made.calendar_id, cleared).await), "invalid");
    let cleared = SettingsPatch {
        time_zone: Edit::Clear,
        color: Edit::Clear,
        default_reminders: Edit::Clear,
        ..SettingsPatch::default()
    };
    let cleared = calendar::update(&world.service, &ann, made.calendar_id, cleared).await.unwrap();
    assert_eq!(
        (cleared.time_zone.as_str(), cleared.color.as_str(), cleared.default_reminders.len()),
        ("UTC", "", 0)
    );
    let absent = calendar::update(&world.service, &ann, Uuid::now_v7(), SettingsPatch::default()).await;
    assert_eq!(code(&absent), "calendar_not_found");
}
