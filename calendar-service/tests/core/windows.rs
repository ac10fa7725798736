//! Windows and pages.

use calendar_service::{
    MIGRATOR,
    event::{self, EventList, PageRequest},
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{World, code};

async fn names(
    world: &World,
    ann: &chassis::tokens::Identity,
    calendar_id: Uuid,
    from: &str,
    to: &str,
) -> Vec<String> {
    let request = PageRequest { from: from.to_owned(), to: to.to_owned(), ..PageRequest::default() };
    let page = event::page(&world.service, ann, calendar_id, &request).await.unwrap();
    let joined = event::joined(&world.service, ann, "", from, to).await;
    let names = names_in(&page);
    assert_eq!(names, joined.map(|list| names_in(&list)).unwrap_or_default(), "both reads agree");
    names
}

fn names_in(list: &EventList) -> Vec<String> {
    let events: Vec<Value> = serde_json::from_slice(&list.json).unwrap();
    events.iter().map(|event| event["event_name"].as_str().unwrap().to_owned()).collect()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn windows_are_half_open_and_overlap_counts(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    let id = made.calendar_id;
    for (name, start, end) in [
        ("year", "2025-06-01T00:00:00Z", "2026-06-01T00:00:00Z"),
        ("week", "2026-02-22T10:00:00Z", "2026-03-01T10:00:00Z"),
        ("hour", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z"),
        ("point", "2026-03-01T10:30:00Z", "2026-03-01T10:30:00Z"),
        ("next", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"),
    ] {
        world
            .event(&ann, "Home", json!({ "event_name": name, "event_start": start, "event_end": end }))
            .await
            .unwrap();
    }
    let all = ["year", "week", "hour", "point", "next"];
    assert_eq!(names(&world, &ann, id, "", "").await, all);
    assert_eq!(
        names(&world, &ann, id, "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z").await,
        ["year", "hour", "point"]
    );
    assert_eq!(
        names(&world, &ann, id, "2026-03-01T09:59:59Z", "2026-03-01T10:00:00Z").await,
        ["year", "week"]
    );
    assert_eq!(
        names(&world, &ann, id, "2026-03-01T10:30:00Z", "2026-03-01T10:30:01Z").await,
        ["year", "hour", "point"]
    );
    assert_eq!(names(&world, &ann, id, "2026-03-01T10:30:01Z", "").await, ["year", "hour", "next"]);
    assert_eq!(names(&world, &ann, id, "2026-06-01T00:00:00Z", "").await, [""; 0]);
    assert_eq!(names(&world, &ann, id, "", "2025-06-01T00:00:00Z").await, [""; 0]);
    assert_eq!(
        names(&world, &ann, id, "2026-03-01T12:30:00+02:00", "2026-03-01T10:31:00").await,
        ["year", "hour", "point"]
    );
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn pages_follow_each_other_without_gap_or_repeat(pool: PgPool) {
    let world = World::new(pool).await;
    let ann = World::person("ann");
    let made = world.calendar(&ann, "Home").await;
    for number in 0..7 {
        // Three of them start at the same instant.
        let start = format!("2026-03-0{}T10:00:00Z", 1 + number / 3);
        let body = json!({ "event_name": number.to_string(), "event_start": start, "event_end": "2026-03-20T10:00:00Z" });
        world.event(&ann, "Home", body).await.unwrap();
    }
    let mut request = PageRequest { limit: 2, from: "2026-03-18T00:00:00Z".into(), ..PageRequest::default() };
    let mut seen = Vec::new();
    loop {
        let page = event::page(&world.service, &ann, made.calendar_id, &request).await.unwrap();
        let names = names_in(&page);
        assert!(names.len() <= 2);
        seen.extend(names);
        if page.next_cursor.is_empty() {
            break;
        }
        request.cursor = page.next_cursor;
    }
    assert_eq!(seen, ["0", "1", "2", "3", "4", "5", "6"]);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn what_is_wrong_with_a_window_is_said(pool: PgPool) {
    let world = World::new(pool).await;
    let [ann, eve] = ["ann", "eve"].map(World::person);
    let made = world.calendar(&ann, "Home").await;
    let page =
        async |who, id, request: PageRequest| code(&event::page(&world.service, who, id, &request).await);
    let wide = PageRequest {
        from: "2026-01-01T00:00:00Z".into(),
        to: "2028-01-04T00:00:00Z".into(),
        ..PageRequest::default()
    };
    assert_eq!(page(&ann, made.calendar_id, wide).await, "invalid");
    let bad = PageRequest { from: "today".into(), to: "x".into(), limit: 1001, cursor: "%".into() };
    let fault = event::page(&world.service, &ann, made.calendar_id, &bad).await.unwrap_err();
    let fields: Vec<_> = fault.fields.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["from", "to", "limit", "cursor"]);
    assert_eq!(page(&ann, made.calendar_id, PageRequest::default()).await, "ok", "an empty page is a page");
    assert_eq!(page(&eve, made.calendar_id, PageRequest::default()).await, "calendar_not_found");
    assert_eq!(page(&ann, Uuid::now_v7(), PageRequest::default()).await, "calendar_not_found");

    let joined = async |who, name: &str| code(&event::joined(&world.service, who, name, "", "").await);
    assert_eq!(joined(&ann, "home").await, "no_events");
    assert_eq!(joined(&ann, "").await, "no_events");
    assert_eq!(joined(&eve, "").await, "no_events");
    assert_eq!(joined(&eve, "home").await, "not_a_member");
    assert_eq!(joined(&ann, "nowhere").await, "calendar_not_found");
    world.event(&ann, "Home", json!({})).await.unwrap();
    assert_eq!((joined(&ann, "hOme").await, joined(&eve, "").await), ("ok", "no_events"));
}
