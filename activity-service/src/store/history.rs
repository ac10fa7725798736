//! `device_events` as the rules read them: in order of event time, in pages.

use chassis::fault::Fault;
use sqlx::types::Json;
use uuid::Uuid;

use super::Store;
use crate::{
    model::{Details, Device, Event, Instant},
    rules::Span,
};

/// Reading through a device's events.
#[derive(Clone, Debug)]
pub struct Scan {
    device: Device,
    until: Instant,
    /// The last event that was read: its time, rank and id.
    after: (Instant, i16, Uuid),
}

/// The next events of one scan.
#[derive(Debug, Default)]
pub struct Page {
    /// In order.
    pub events: Vec<Event>,
    /// Whether there may be more.
    pub more: bool,
}

// === impl Scan ===

impl Scan {
    /// All events of the device in the span.
    pub fn new(device: Device, span: Span) -> Self {
        Self { device, until: span.to, after: (span.from, -1, Uuid::nil()) }
    }
}

impl Store {
    /// The next page of each scan, in the order of the scans, of events of these
    /// types; each scan moves on.
    pub async fn read_on(&self, scans: &mut [Scan], types: &[String], limit: i64) -> Result<Vec<Page>, Fault> {
        let account_ids: Vec<_> = scans.iter().map(|scan| scan.device.account_id).collect();
        let device_ids: Vec<_> = scans.iter().map(|scan| &*scan.device.device_id).collect();
        let untils: Vec<_> = scans.iter().map(|scan| scan.until).collect();
        let ats: Vec<_> = scans.iter().map(|scan| scan.after.0).collect();
        let ranks: Vec<_> = scans.iter().map(|scan| scan.after.1).collect();
        let event_ids: Vec<_> = scans.iter().map(|scan| scan.after.2).collect();
        let rows = sqlx::query!(
            r#"
            select s.place as "place!", e.event_id, e.type as kind, e.rank, e.at as "at: Instant",
                e.received_at as "received_at: Instant", e.details as "details: Json<Details>"
            from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::smallint[], $6::uuid[])
                    with ordinality as s (account_id, device_id, until, at, rank, event_id, place)
                cross join lateral (
                    select h.event_id, h.type, h.rank, h.at, h.received_at, h.details from device_events h
                    where h.account_id = s.account_id and h.device_id = s.device_id
                        and h.at >= s.at and h.at <= s.until
                        and (h.at, h.rank, h.event_id) > (s.at, s.rank, s.event_id)
                        and h.type = any($7)
                    order by h.at, h.rank, h.event_id limit $8
                ) e
            order by s.place, e.at, e.rank, e.event_id
            "#,
            &account_ids,
            &device_ids as &[&str],
            &untils as &[Instant],
            &ats as &[Instant],
            &ranks,
            &event_ids,
            types,
            limit,
        );
        let mut pages: Vec<Page> = scans.iter().map(|_| Page::default()).collect();
        for row in rows.fetch_all(self.pool()).await? {
            let place = row.place as usize - 1;
            scans[place].after = (row.at, row.rank, row.event_id);
            let event =
                Event { kind: row.kind, at: row.at, received_at: row.received_at, details: row.details.0 };
            pages[place].events.push(event);
        }
        for page in &mut pages {
            page.more = page.events.len() as i64 == limit;
        }
        Ok(pages)
    }
}
