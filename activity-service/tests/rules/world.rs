//! A database, the double, and the service over them.

use std::time::Duration;

use activity_service::{
    model::Instant,
    notify, processor,
    receiver::{Receiver, ServiceReceiver},
    record::{Recorded, record},
    rules::{RuleSettings, Rules},
    service::{Nudge, Service},
    store::Store,
};
use chassis::{lifecycle::Lifecycle, rpc::channel};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::notifier::Notifier;

/// Everything a test needs. `service` is one instance of the service.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) notifier: Notifier,
    pub(crate) service: Service,
    /// Whose devices these are.
    pub(crate) account: Uuid,
}

/// The background work of one instance; dropped: killed.
pub(crate) struct Engine {
    _tasks: JoinSet<()>,
}

impl World {
    pub(crate) async fn new(pool: PgPool) -> Self {
        Self::with_rules(pool, RuleSettings::default().rules()).await
    }

    pub(crate) async fn with_rules(pool: PgPool, rules: Rules) -> Self {
        let (notifier, address) = Notifier::start().await;
        let receiver = ServiceReceiver::new(channel(&address.parse().unwrap()), notifier.token.clone());
        let service = Service {
            store: Store::new(pool.clone()),
            rules,
            receiver: Receiver::Service(receiver),
            nudge: Nudge::default(),
            lifecycle: Lifecycle::new(),
        };
        Self { pool, notifier, service, account: Uuid::now_v7() }
    }

    /// Starts the background work of an instance over the same database.
    pub(crate) fn engine(&self) -> Engine {
        let service = Service { nudge: Nudge::default(), ..self.service.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(processor::run(service.clone()));
        tasks.spawn(notify::run(service));
        Engine { _tasks: tasks }
    }

    /// Records events of the account.
    pub(crate) async fn send(&self, events: &[Value]) -> Vec<Recorded> {
        self.send_with(events, "").await
    }

    pub(crate) async fn send_with(&self, events: &[Value], key: &str) -> Vec<Recorded> {
        let events: Vec<_> = events.iter().map(Value::to_string).collect();
        record(&self.service, self.account, &events, key).await.unwrap()
    }

    /// Does what there is to do now.
    pub(crate) async fn settle(&self) {
        loop {
            let processed = processor::round(&self.service).await.unwrap();
            let tried = notify::round(&self.service).await.unwrap().tried;
            if !processed && tried == 0 {
                return;
            }
        }
    }

    /// Moves the database's clock, and with it every lease and deadline.
    pub(crate) async fn advance(&self, by: Duration) {
        sqlx::query("update app_clock set shift = shift + make_interval(secs => $1)")
            .bind(by.as_secs_f64())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// The database's clock, in whole seconds.
    pub(crate) async fn now(&self) -> Instant {
        let now: Instant = sqlx::query_scalar("select app_now()").fetch_one(&self.pool).await.unwrap();
        Instant::from_micros(now.as_micros() / 1_000_000 * 1_000_000)
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Events that the rules have not seen, and notifications that are due.
    pub(crate) async fn unfinished(&self) -> i64 {
        self.count(
            "select (select count(*) from devices where received > processed)
                 + (select count(*) from notifications where outcome is null and due_at <= app_now())",
        )
        .await
    }
}

pub(crate) fn launch(device: &str, at: Instant) -> Value {
    json!({ "deviceId": device, "type": "APP_LAUNCHED", "timestamp": at.to_string() })
}

/// `what` is started, finished or cancelled.
pub(crate) fn training(device: &str, what: &str, programme: &str, at: Instant) -> Value {
    let kind = format!("training_program_{what}");
    json!({ "deviceId": device, "type": kind, "timestamp": at.to_string(), "details": { "programId": programme } })
}

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

/// Waits until `condition` holds, a minute at most.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_mins(1);
    while !condition().await {
        assert!(tokio::time::Instant::now() < patience, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
