//! Device events come in: read, made normal, kept. Whoever hears that an event
//! was taken can rely on it: it is committed.

use std::collections::{BTreeMap, HashMap, HashSet};

use chassis::fault::{Fault, FieldError};
use metrics::counter;
use uuid::Uuid;

use crate::{
    model::{SentEvent, read_event},
    service::Service,
};

/// Events of one request.
const MOST: usize = 1000;
/// Characters of an idempotency key.
const LONGEST_KEY: usize = 255;

/// What became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is kept.
    Kept {
        /// As it was kept, perhaps earlier.
        event: SentEvent,
        /// Whether some rule looks at its type.
        supported: bool,
        /// Whether it was there before.
        repeated: bool,
    },
    /// It is not an event.
    Refused(Vec<FieldError>),
}

/// Records events of an account, all of them in one commit; answers for each.
/// A repeat, by its own id or by `key` and place, changes nothing and is
/// answered as the first was.
pub async fn record(
    service: &Service,
    account_id: Uuid,
    events_json: &[String],
    key: &str,
) -> Result<Vec<Recorded>, Fault> {
    if !(1..=MOST).contains(&events_json.len()) {
        return Err(Fault::invalid("events", format!("must be 1 to {MOST} events")));
    }
    if key.chars().count() > LONGEST_KEY || key.chars().any(char::is_control) {
        let rule = format!("must be at most {LONGEST_KEY} characters, none of them control characters");
        return Err(Fault::invalid("idempotency_key", rule));
    }
    let is_batch = events_json.len() > 1;
    let read = events_json.iter().enumerate().map(|(place, json)| {
        let event = read_event(json, |kind| service.rules.spell(kind));
        match event {
            Ok(event) => Ok((event.event_id(account_id, key, place), event)),
            Err(errors) => Err(named(errors.into_list(), is_batch.then_some(place))),
        }
    });
    let read: Vec<_> = read.collect();
    let good: Vec<(Uuid, &SentEvent)> =
        read.iter().filter_map(|read| read.as_ref().ok().map(|(id, event)| (*id, event))).collect();
    let fresh = if good.is_empty() {
        HashSet::new()
    } else {
        service.store.keep_events(account_id, &good, service.rules.types()).await?
    };
    service.nudge.inbox.notify_one();
    let repeats: Vec<_> = good.iter().map(|(id, _)| *id).filter(|id| !fresh.contains(id)).collect();
    let kept = if repeats.is_empty() {
        HashMap::new()
    } else {
        service.store.kept_events(&repeats).await?.into_iter().collect()
    };
    let outcomes = Outcomes { service, fresh, kept, is_batch };
    Ok(outcomes.of(read))
}

/// A batch names which of its events a field belongs to.
fn named(errors: Vec<FieldError>, place: Option<usize>) -> Vec<FieldError> {
    let Some(place) = place else { return errors };
    let named = errors.into_iter().map(|FieldError { field, message }| {
        let field =
            if field == "body" { format!("events[{place}]") } else { format!("events[{place}].{field}") };
        FieldError { field, message }
    });
    named.collect()
}

/// What is known after the commit.
struct Outcomes<'a> {
    service: &'a Service,
    fresh: HashSet<Uuid>,
    kept: HashMap<Uuid, SentEvent>,
    is_batch: bool,
}

// === impl Outcomes ===

impl Outcomes<'_> {
    fn of(mut self, read: Vec<Result<(Uuid, SentEvent), Vec<FieldError>>>) -> Vec<Recorded> {
        let mut tally = Tally::default();
        let mut seen: HashMap<Uuid, SentEvent> = HashMap::new();
        let mut recorded = Vec::with_capacity(read.len());
        for (place, read) in read.into_iter().enumerate() {
            let outcome = match read {
                Err(errors) => Recorded::Refused(errors),
                Ok((id, event)) if self.fresh.remove(&id) => {
                    if event.id.is_some() {
                        seen.insert(id, event.clone());
                    }
                    self.kept(event, false)
                }
                Ok((id, event)) => {
                    // Swept between the two statements: then it was the same.
                    let first = seen.get(&id).or_else(|| self.kept.get(&id)).unwrap_or(&event).clone();
                    if event.id.is_none() && first != event {
                        let field = "idempotency_key".to_owned();
                        let message = "was used with another event".to_owned();
                        Recorded::Refused(named(
                            vec![FieldError { field, message }],
                            self.is_batch.then_some(place),
                        ))
                    } else {
                        self.kept(first, true)
                    }
                }
            };
            tally.add(&outcome);
            recorded.push(outcome);
        }
        tally.publish();
        recorded
    }

    fn kept(&self, event: SentEvent, repeated: bool) -> Recorded {
        let supported = self.service.rules.knows(&event.kind);
        Recorded::Kept { event, supported, repeated }
    }
}

/// Events of one request, by what became of them.
#[derive(Default)]
struct Tally {
    known: BTreeMap<String, u64>,
    unknown: BTreeMap<String, u64>,
    repeated: u64,
    refused: u64,
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, outcome: &Recorded) {
        match outcome {
            Recorded::Refused(_) => self.refused += 1,
            Recorded::Kept { repeated: true, .. } => self.repeated += 1,
            Recorded::Kept { event, supported, .. } => {
                let types = if *supported { &mut self.known } else { &mut self.unknown };
                match types.get_mut(&event.kind) {
                    Some(count) => *count += 1,
                    None => _ = types.insert(event.kind.clone(), 1),
                }
            }
        }
    }

    /// Clients make up unknown types: they share one label, and one of them is named in
    /// the log.
    fn publish(self) {
        for (kind, count) in self.known {
            counter!("activity_events_total", "service" => "activity", "lane" => "rules", "type" => kind)
                .increment(count);
        }
        if let Some((kind, _)) = self.unknown.first_key_value() {
            let types = self.unknown.len();
            let count: u64 = self.unknown.values().sum();
            // One line a request: the types may be a thousand.
            tracing::warn!(event_type = kind, types, count, "events of types that no rule knows are kept");
            counter!("activity_events_total", "service" => "activity", "lane" => "rules", "type" => "unknown").increment(count);
        }
        counter!("activity_events_repeated_total", "service" => "activity").increment(self.repeated);
        counter!("activity_events_refused_total", "service" => "activity").increment(self.refused);
    }
}
