//! docs/RULES.md, carried out: a rule for a type of event that nobody knew.

use activity_service::{
    MIGRATOR,
    model::{Event, Instant},
    record::Recorded,
    rules::{Firing, Rule, RuleSettings, Rules, Watch},
};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::world::{World, launch, minutes};

/// A full glass of water within an hour of the last.
struct Thirst;

#[derive(Default)]
struct Glasses {
    last: Option<Instant>,
    firings: Vec<Firing>,
}

impl Rule for Thirst {
    fn name(&self) -> &'static str {
        "thirst"
    }

    fn types(&self) -> &'static [&'static str] {
        &["WATER_DRUNK"]
    }

    fn reach(&self) -> i64 {
        3600
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(Glasses::default())
    }
}

impl Watch for Glasses {
    fn see(&mut self, event: &Event) {
        if event.details.get("glass").is_none_or(|glass| glass != "full") {
            return;
        }
        let last = self.last.replace(event.at).filter(|last| last.plus(3600) >= event.at);
        if let Some(from) = last {
            let message = "That was enough water.".to_owned();
            self.firings.push(Firing { about: String::new(), from, to: event.at, due: None, message });
        }
    }

    fn firings(self: Box<Self>) -> Vec<Firing> {
        self.firings
    }
}

fn glass(at: Instant, glass: &str) -> Value {
    json!({ "deviceId": "d", "type": "water_drunk", "timestamp": at.to_string(), "details": { "glass": glass } })
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_rule_is_one_file_and_one_line_in_the_list(pool: PgPool) {
    let mut list = RuleSettings::default().list();
    list.push(std::sync::Arc::new(Thirst));
    let world = World::with_rules(pool, Rules::new(list)).await;
    let now = world.now().await;
    let events =
        [glass(now, "full"), glass(now.plus(20), "empty"), launch("d", now), glass(now.plus(4000), "full")];
    let recorded = world.send(&events).await;
    assert!(recorded.iter().all(|one| matches!(one, Recorded::Kept { supported: true, .. })));
    world.settle().await;
    assert_eq!(world.notifier.words("d"), [""; 0]);
    world.send(&[glass(now.plus(300), "full")]).await;
    world.settle().await;
    assert_eq!(world.notifier.words("d"), ["That was enough water."]);
    world.advance(minutes(11)).await;
    world.settle().await;
    assert_eq!(world.notifier.words("d").len(), 2, "the other rules are as they were");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn without_the_rule_its_events_are_kept_and_nothing_is_told(pool: PgPool) {
    let world = World::new(pool).await;
    let now = world.now().await;
    let recorded =
        world.send(&[glass(now, "full"), glass(now.plus(1), "full"), glass(now.plus(2), "full")]).await;
    assert!(recorded.iter().all(|one| matches!(one, Recorded::Kept { supported: false, .. })));
    world.settle().await;
    assert_eq!(world.notifier.calls(), 0);
    assert_eq!(world.count("select count(*) from device_events").await, 3);
}
