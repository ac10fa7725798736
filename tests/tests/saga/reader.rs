//! Somebody who reads all the time, and remembers every event that was ever shown.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::Value;
use system_tests::person::Person;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// Between two looks: many fall between two steps of a saga that hangs.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Reads `get_events` and `changes` until it is stopped.
pub(super) struct Reader {
    memory: Arc<Mutex<Memory>>,
    stop: CancellationToken,
    task: AbortOnDropHandle<Result<()>>,
}

#[derive(Debug, Default)]
struct Memory {
    names: BTreeSet<String>,
    looks: usize,
}

// === impl Reader ===

impl Reader {
    /// Reads as this member of this calendar.
    pub(super) fn start(person: &Person, calendar_id: &str) -> Self {
        let (memory, stop) = (Arc::<Mutex<Memory>>::default(), CancellationToken::new());
        let looking = look(person.clone(), calendar_id.to_owned(), Arc::clone(&memory), stop.clone());
        Self { memory, stop, task: AbortOnDropHandle::new(tokio::spawn(looking)) }
    }

    /// Whether the event was ever shown.
    pub(super) fn saw(&self, name: &str) -> bool {
        lock(&self.memory).names.contains(name)
    }

    /// Stops; the names that were shown and that are not there, after at least so many looks.
    pub(super) async fn ghosts(self, there: &[String], enough: usize) -> Result<Vec<String>> {
        self.stop.cancel();
        self.task.await??;
        let memory = lock(&self.memory);
        ensure!(memory.looks >= enough, "only {} looks", memory.looks);
        Ok(memory.names.iter().filter(|name| !there.contains(name)).cloned().collect())
    }
}

async fn look(
    person: Person,
    calendar_id: String,
    memory: Arc<Mutex<Memory>>,
    stop: CancellationToken,
) -> Result<()> {
    let mut since = 0;
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        // Errors are those of a program that is dead or busy; there is no event in them.
        if let Ok(list) =
            person.get("/calendar/get_events?from=2030-04-01T00:00:00Z&to=2030-06-01T00:00:00Z").await
        {
            ensure!(matches!(list.status, 200 | 404 | 503 | 504), "get_events: {list:?}");
            remember(&memory, list["events"].as_array(), "/event_name");
        }
        let path = format!("/calendar/calendars/{calendar_id}/changes?since={since}&limit=1000");
        if let Ok(page) = person.get(&path).await {
            ensure!(matches!(page.status, 200 | 503 | 504), "changes: {page:?}");
            let changes = page["changes"].as_array();
            since = changes.and_then(|all| all.last()?["seq"].as_i64()).unwrap_or(since);
            remember(&memory, changes, "/event/event_name");
        }
    }
    Ok(())
}

fn remember(memory: &Mutex<Memory>, list: Option<&Vec<Value>>, pointer: &str) {
    let Some(list) = list else { return };
    let names = list.iter().filter_map(|item| item.pointer(pointer)?.as_str().map(str::to_owned));
    let mut memory = lock(memory);
    memory.names.extend(names);
    memory.looks += 1;
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
