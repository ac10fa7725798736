//! Calendars with as many events as a comparison needs.

use anyhow::{Context as _, Result};
use chassis::rpc::{authorize, channel};
use proto::calendar::v1::{CreateEventRequest, EventFields, calendar_service_client::CalendarServiceClient};
use sqlx::PgPool;
use uuid::Uuid;

use crate::account::Account;

/// Who made an event, and where.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Ids {
    /// The event.
    pub event_id: Uuid,
    /// Its calendar.
    pub calendar_id: Uuid,
    /// Its creator.
    pub created_by: Uuid,
}

/// Makes a calendar of `account` with `count` events, one hour long, one every
/// three hours from the year 2030 on. The first is created through the service,
/// the others are copies of its row.
pub async fn fill(
    calendar_uri: &str,
    pool: &PgPool,
    account: &Account,
    name: &str,
    count: usize,
) -> Result<Ids> {
    account.create_calendar(calendar_uri, name).await?;
    let fields = EventFields {
        event_name: Some("Dinner with the neighbours".to_owned()),
        event_start: Some("2030-01-01T00:00:00Z".to_owned()),
        event_end: Some("2030-01-01T01:00:00Z".to_owned()),
        location: Some("At home, second floor".to_owned()),
        description: Some("Bring something to drink, and the chess board.".to_owned()),
        ..EventFields::default()
    };
    let request = CreateEventRequest { calendar_name: name.to_owned(), fields: Some(fields) };
    let mut client = CalendarServiceClient::new(channel(&calendar_uri.parse()?));
    let event = client.create_event(authorize(request, &account.token)).await;
    let event_id = event.context("cannot create an event")?.into_inner().event_id.parse()?;

    let copies: Vec<_> = (1..count).map(|_| Uuid::now_v7()).collect();
    sqlx::query(
        "insert into events (
             event_id, calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day, location,
             description, reminders, participants, participant_names, sequence, status, created_by,
             created_by_name, seq
         )
         select
             copy.event_id, calendar_id, state, ical, copy.event_id::text, summary,
             starts_at + place * interval '3 hours', ends_at + place * interval '3 hours', time_zone, all_day,
             location, description, reminders, participants, participant_names, sequence, status, created_by,
             created_by_name, seq
         from events, unnest($2::uuid[]) with ordinality as copy (event_id, place)
         where events.event_id = $1",
    )
    .bind(event_id)
    .bind(copies)
    .execute(pool)
    .await?;
    // What autovacuum does within a minute; without it the first minute is another.
    sqlx::query("vacuum analyze events").execute(pool).await?;
    read_ids(pool, event_id).await
}

/// Who made this event, and where.
pub async fn read_ids(pool: &PgPool, event_id: Uuid) -> Result<Ids> {
    let ids = sqlx::query_as("select event_id, calendar_id, created_by from events where event_id = $1");
    Ok(ids.bind(event_id).fetch_one(pool).await?)
}
