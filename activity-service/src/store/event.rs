//! `device_events`: what devices sent, each event once.

use std::collections::HashSet;

use chassis::fault::Fault;
use uuid::Uuid;

use super::Store;
use crate::model::{Instant, SentEvent};

/// The columns of many events.
#[derive(Default)]
struct Columns<'a> {
    event_ids: Vec<Uuid>,
    device_ids: Vec<&'a str>,
    types: Vec<&'a str>,
    ats: Vec<Instant>,
    client_ids: Vec<Option<&'a str>>,
    details: Vec<&'a str>,
}

impl Store {
    /// Keeps events of an account that are not there yet, and tells their devices
    /// that there is something new where it is of a type in `watched`: one
    /// statement, one commit. Answers which were new.
    pub async fn keep_events(
        &self,
        account_id: Uuid,
        events: &[(Uuid, &SentEvent)],
        watched: &[String],
    ) -> Result<HashSet<Uuid>, Fault> {
        let columns = Columns::of(events);
        // In order of their ids, and of the devices': two at once take their
        // locks in the same order. The clock is asked once, not for each row.
        let fresh = sqlx::query_scalar!(
            r#"
            with clock as materialized (
                select app_now() as now
            ), fresh as (
                insert into device_events
                    (event_id, account_id, device_id, type, at, client_id, details, received_at)
                select s.event_id, $1, s.device_id, s.type, s.at, s.client_id, s.details::json, clock.now
                from unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
                        as s (event_id, device_id, type, at, client_id, details),
                    clock
                order by s.event_id
                on conflict (event_id) do nothing
                returning event_id, device_id, type, at
            ), news as (
                insert into devices as d (account_id, device_id, received, new_from, new_to, waiting_since)
                select $1, fresh.device_id, count(*), min(fresh.at), max(fresh.at), clock.now
                from fresh, clock where fresh.type = any($8)
                group by fresh.device_id, clock.now order by fresh.device_id
                on conflict (account_id, device_id) do update set
                    received = d.received + excluded.received,
                    new_from = least(d.new_from, excluded.new_from),
                    new_to = greatest(d.new_to, excluded.new_to),
                    waiting_since =
                        case when d.received > d.processed then d.waiting_since else excluded.waiting_since end
            )
            select event_id as "event_id!" from fresh
            "#,
            account_id,
            &columns.event_ids,
            &columns.device_ids as &[&str],
            &columns.types as &[&str],
            &columns.ats as &[Instant],
            &columns.client_ids as &[Option<&str>],
            &columns.details as &[&str],
            watched,
        );
        Ok(fresh.fetch_all(self.pool()).await?.into_iter().collect())
    }

    /// Events as they were kept, of those that are there.
    pub async fn kept_events(&self, event_ids: &[Uuid]) -> Result<Vec<(Uuid, SentEvent)>, Fault> {
        let rows = sqlx::query!(
            r#"
            select event_id, client_id, device_id, type as kind, at as "at: Instant", details::text as "details!"
            from device_events where event_id = any($1)
            "#,
            event_ids,
        );
        let rows = rows.fetch_all(self.pool()).await?;
        let events = rows.into_iter().map(|row| {
            let (id, device_id, kind) = (row.client_id, row.device_id, row.kind);
            (row.event_id, SentEvent { id, device_id, kind, at: row.at, details: row.details })
        });
        Ok(events.collect())
    }
}

// === impl Columns ===

impl<'a> Columns<'a> {
    fn of(events: &[(Uuid, &'a SentEvent)]) -> Self {
        let mut columns = Self::default();
        for (event_id, event) in events {
            columns.event_ids.push(*event_id);
            columns.device_ids.push(&event.device_id);
            columns.types.push(&event.kind);
            columns.ats.push(event.at);
            columns.client_ids.push(event.id.as_deref());
            columns.details.push(&event.details);
        }
        columns
    }
}
