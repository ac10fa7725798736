//! Somebody who reads all the time, every way there is, and remembers every event that was ever shown.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, ensure};
use system_tests::{person::Person, truth::Truth, wait::Deadline};
use tokio::task::JoinHandle;

/// A reader of one calendar.
pub(super) struct Witness {
    seen: Arc<Mutex<BTreeSet<String>>>,
    reader: JoinHandle<()>,
}

// === impl Witness ===

impl Witness {
    pub(super) fn start(person: &Person, calendar_id: &str) -> Self {
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let reader = tokio::spawn(read(person.clone(), calendar_id.to_owned(), Arc::clone(&seen)));
        Self { seen, reader }
    }

    /// Fails when something was seen that is not in the log as created: every event that anybody may see is.
    pub(super) async fn must_have_seen_only_truth(&self, truth: &Truth) -> Result<()> {
        let created = sqlx::query_scalar::<_, String>(
            "select payload::jsonb -> 'event' ->> 'event_id' from calendar_changes where kind = 'event_created'",
        );
        let created: BTreeSet<_> = created.fetch_all(truth.calendar()).await?.into_iter().collect();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let undone: Vec<_> = seen.difference(&created).collect();
        ensure!(!seen.is_empty(), "the witness saw nothing at all");
        ensure!(undone.is_empty(), "somebody read events that were pending or undone: {undone:?}");
        Ok(())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(person: Person, calendar_id: String, seen: Arc<Mutex<BTreeSet<String>>>) {
    let paths = [
        "/calendar/get_events".to_owned(),
        format!("/calendar/calendars/{calendar_id}/events"),
        format!("/calendar/calendars/{calendar_id}/changes?limit=1000"),
    ];
    loop {
        for path in &paths {
            let Ok(answer) = person.get(path).await else { continue };
            let events = answer["events"].as_array().into_iter().flatten();
            let changes = answer["changes"].as_array().into_iter().flatten().map(|change| &change["event"]);
            let ids = events.chain(changes).filter_map(|event| event["event_id"].as_str().map(str::to_owned));
            seen.lock().unwrap_or_else(PoisonError::into_inner).extend(ids);
        }
        // Breathes between two rounds, also while nobody answers.
        Deadline::after(std::time::Duration::ZERO).look_again().await;
    }
}
