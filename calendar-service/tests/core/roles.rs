//! Who may do what: every use-case by id, for every place one can have.

use calendar_service::{
    MIGRATOR,
    calendar::{self, SettingsPatch},
    change,
    event::{self, PageRequest},
    member,
    model::Role,
};
use chassis::tokens::Identity;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code, patch};

/// What one person is answered, in the order of the table below.
async fn answers(world: &World, who: &Identity, calendar_id: Uuid, event_id: Uuid) -> [&'static str; 11] {
    let service = &world.service;
    [
        code(&event::get(service, who, event_id).await),
        code(&event::page(service, who, calendar_id, &PageRequest::default()).await),
        code(&change::since(service, who, calendar_id, 0, 0).await),
        code(&member::list(service, who, calendar_id).await),
        code(&world.event(who, "Home", json!({})).await),
        code(&event::update(service, who, event_id, "*", patch(json!({ "location": "x" }))).await),
        code(&event::delete(service, who, event_id, "\"r0\"").await),
        code(&calendar::update(service, who, calendar_id, SettingsPatch::default()).await),
        code(&member::set_role(service, who, calendar_id, "viewer", Role::Viewer).await),
        code(&member::remove(service, who, calendar_id, "nobody").await),
        code(&event::joined(service, who, "Home", "", "").await),
    ]
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn each_place_has_its_answers(pool: PgPool) {
    let world = World::new(pool).await;
    let [owner, editor, viewer, former, stranger] =
        ["owner", "editor", "viewer", "former", "stranger"].map(World::person);
    let made = world.calendar(&owner, "Home").await;
    for person in [&editor, &viewer, &former] {
        world.join(person, "Home").await;
    }
    member::set_role(&world.service, &owner, made.calendar_id, "viewer", Role::Viewer).await.unwrap();
    let event_id = world.event(&owner, "Home", json!({})).await.unwrap().event_id;
    member::remove(&world.service, &owner, made.calendar_id, "former").await.unwrap();

    let (yes, stale, low, rule) = ("ok", "stale", "read_only", "forbidden");
    let (calendar, event, out, nobody) =
        ("calendar_not_found", "event_not_found", "not_a_member", "member_not_found");
    let table = [
        (&owner, [yes, yes, yes, yes, yes, yes, stale, yes, yes, nobody, yes]),
        (&editor, [yes, yes, yes, yes, yes, yes, stale, rule, rule, rule, yes]),
        (&viewer, [yes, yes, yes, yes, low, low, low, rule, rule, rule, yes]),
        (
            &former,
            [event, calendar, calendar, calendar, out, event, event, calendar, calendar, calendar, out],
        ),
        (
            &stranger,
            [event, calendar, calendar, calendar, out, event, event, calendar, calendar, calendar, out],
        ),
    ];
    for (who, expected) in table {
        assert_eq!(answers(&world, who, made.calendar_id, event_id).await, expected, "{}", who.username);
    }
    // Absent looks like foreign, to members of something else as well.
    world.calendar(&stranger, "Elsewhere").await;
    let foreign = answers(&world, &stranger, made.calendar_id, event_id).await;
    let absent = answers(&world, &stranger, Uuid::now_v7(), Uuid::now_v7()).await;
    assert_eq!(foreign, absent);
    for (who, expected) in [(&viewer, rule), (&former, calendar), (&stranger, calendar), (&owner, yes)] {
        assert_eq!(code(&calendar::delete(&world.service, who, made.calendar_id).await), expected);
    }
}
