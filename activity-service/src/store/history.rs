//! `device_events` as the rules read them: in order of event time, in pages.

use chassis::fault::Fault;
use sqlx::types::Json;

use super::Store;
use crate::{
    model::{Details, Device, Event, Instant},
    rules::{Span, kind},
};

/// Reading through a device's events.
#[derive(Clone, Debug)]
pub struct Scan {
    device: Device,
    /// Where to go on.
    from: Instant,
    until: Instant,
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
    pub const fn new(device: Device, span: Span) -> Self {
        Self { device, from: span.from, until: span.to }
    }
}

impl Store {
    /// The next page of each scan, in the order of the scans, of events of these
    /// types: `limit` of them, and those of the last one's instant; each scan
    /// moves on.
    pub async fn read_on(
        &self,
        scans: &mut [Scan],
        types: &[String],
        limit: i64,
    ) -> Result<Vec<Page>, Fault> {
        let account_ids: Vec<_> = scans.iter().map(|scan| scan.device.account_id).collect();
        let device_ids: Vec<_> = scans.iter().map(|scan| &*scan.device.device_id).collect();
        let froms: Vec<_> = scans.iter().map(|scan| scan.from).collect();
        let untils: Vec<_> = scans.iter().map(|scan| scan.until).collect();
        // `with ties`, so that an instant is never cut apart: the index knows no
        // order within one.
        let rows = sqlx::query!(
            r#"
            select s.place as "place!", e.event_id, e.type as kind, e.at as "at: Instant",
                e.received_at as "received_at: Instant", e.details as "details: Json<Details>"
            from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[])
                    with ordinality as s (account_id, device_id, first, last, place)
                cross join lateral (
                    select h.event_id, h.type, h.at, h.received_at, h.details from device_events h
                    where h.account_id = s.account_id and h.device_id = s.device_id
                        and h.at >= s.first and h.at <= s.last and h.type = any($5)
                    order by h.at fetch first ($6) rows with ties
                ) e
            "#,
            &account_ids,
            &device_ids as &[&str],
            &froms as &[Instant],
            &untils as &[Instant],
            types,
            limit,
        );
        let mut pages: Vec<Vec<_>> = scans.iter().map(|_| Vec::new()).collect();
        for row in rows.fetch_all(self.pool()).await? {
            let event =
                Event { kind: row.kind, at: row.at, received_at: row.received_at, details: row.details.0 };
            pages[row.place as usize - 1].push((event.at, kind::rank(&event.kind), row.event_id, event));
        }
        let pages = pages.into_iter().zip(scans).map(|(mut page, scan)| {
            page.sort_unstable_by_key(|(at, rank, event_id, _)| (*at, *rank, *event_id));
            let more = page.len() as i64 >= limit;
            if let Some((last, ..)) = page.last() {
                scan.from = Instant::from_micros(last.as_micros() + 1);
            }
            Page { events: page.into_iter().map(|(.., event)| event).collect(), more }
        });
        Ok(pages.collect())
    }
}
