//! A database, the doubles, and instances of the service over them.

use std::{sync::Arc, time::Duration};

use chassis::{
    fault::Fault,
    lifecycle::Lifecycle,
    rpc::channel,
    service_token::ServiceToken,
    tokens::{BearerToken, Identity},
};
use ipnet::IpNet;
use notification_service::{
    calendar::{self, CalendarClient},
    due::{Alarm, Engine, Lanes},
    handlers::Handlers,
    model::TimerView,
    service::Service,
    store::Store,
    timer::{self, NewTimer},
    webhook::{Client, Guard, Resolve, SystemResolver, trust},
};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{calendar_double::CalendarDouble, receiver::Receiver};

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) calendar: CalendarDouble,
    pub(crate) receiver: Receiver,
    pub(crate) service: Service,
    pub(crate) address: String,
    /// Deliveries at once, in all and to one host.
    pub(crate) at_once: (usize, usize),
}

/// A running engine; killed when dropped.
pub(crate) struct Running {
    task: Option<JoinHandle<()>>,
    lifecycle: Lifecycle,
}

impl World {
    pub(crate) async fn new(pool: PgPool) -> Self {
        let calendar = CalendarDouble::default();
        let address = calendar.serve().await;
        let service = service(&pool, &address);
        Self { pool, calendar, receiver: Receiver::start().await, service, address, at_once: (256, 64) }
    }

    /// A fresh instance's engine, with connections and limits of its own.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(&["127.0.0.0/8"], Arc::new(SystemResolver::default()))
    }

    /// An engine that may connect to these ranges, and resolves names so.
    pub(crate) fn engine_with(&self, allowed: &[&str], resolver: Arc<dyn Resolve>) -> Engine {
        let allowed = allowed.iter().map(|range| range.parse().unwrap()).collect();
        let client = Client::new(allowed, resolver, trust(None).unwrap());
        let store = Store::new(self.pool.clone());
        let calendar = CalendarClient::new(channel(&self.address.parse().unwrap()), ServiceToken::random());
        let handlers = Handlers::all(store.clone(), client, &calendar);
        let named = [(calendar::LANE, calendar::AT_ONCE)];
        let lanes = Lanes::new(self.at_once.0, self.at_once.1, &named);
        Engine::new(store, Arc::new(handlers), Alarm::default(), lanes)
    }

    /// Starts an instance.
    pub(crate) fn start(&self) -> Running {
        Running::start(self.engine())
    }

    /// A timer of an account that calls the receiver.
    pub(crate) async fn timer(&self, account: Uuid, seconds: u64) -> TimerView {
        self.timer_to(account, seconds, &self.receiver.url()).await.unwrap()
    }

    pub(crate) async fn timer_to(&self, account: Uuid, seconds: u64, url: &str) -> Result<TimerView, Fault> {
        let new = NewTimer { seconds, url: url.to_owned(), ..NewTimer::default() };
        timer::create(&self.service, Some(account), &new).await
    }

    pub(crate) async fn see(&self, account: Uuid, timer_id: Uuid) -> TimerView {
        timer::get(&self.service, Some(account), timer_id).await.unwrap()
    }

    /// Many timers of an account at once, due within so many seconds from now.
    pub(crate) async fn many(&self, account: Uuid, count: i32, window: f64) {
        sqlx::query(
            "insert into due_work (work_id, kind, account_id, payload, lane, due_at, next_at, created_at)
             select gen_random_uuid(), 'timer', $1, jsonb_build_object('url', $2::text), $3, at, at, now
             from (
                 select now, now + random() * make_interval(secs => $5) as at
                 from (select app_now() as now) c, generate_series(1, $4)
             ) as t",
        )
        .bind(account)
        .bind(self.receiver.url())
        .bind(format!("http://{}", self.receiver.address))
        .bind(count)
        .bind(window)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Moves the database's clock, and with it all that is due and every lease.
    pub(crate) async fn advance(&self, by: Duration) {
        sqlx::query("update app_clock set shift = shift + make_interval(secs => $1)")
            .bind(by.as_secs_f64())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until nothing is open any more.
    pub(crate) async fn until_over(&self) {
        eventually("everything is over", async || {
            self.count("select count(*) from due_work where state = 'open'").await == 0
        })
        .await;
    }

    /// Somebody with an account.
    pub(crate) fn person(name: &str) -> Identity {
        Identity {
            account_id: Uuid::now_v7(),
            username: name.into(),
            session_id: Uuid::now_v7(),
            expires_at: "2100-01-01T00:00:00Z".parse().unwrap(),
            token: BearerToken::new("token"),
        }
    }
}

impl Running {
    pub(crate) fn start(engine: Engine) -> Self {
        let lifecycle = Lifecycle::new();
        let task = Some(tokio::spawn(engine.run(lifecycle.clone())));
        Self { task, lifecycle }
    }

    /// Ends it as SIGTERM would.
    pub(crate) async fn stop(mut self) {
        self.lifecycle.drain();
        if let Some(task) = self.task.take() {
            task.await.unwrap();
        }
    }

    /// Drops it wherever it is.
    pub(crate) async fn kill(mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn service(pool: &PgPool, address: &str) -> Service {
    let home: IpNet = "127.0.0.0/8".parse().unwrap();
    Service {
        store: Store::new(pool.clone()),
        alarm: Alarm::default(),
        calendar: CalendarClient::new(channel(&address.parse().unwrap()), ServiceToken::random()),
        guard: Guard::new(vec![home]),
        timers_public: false,
    }
}

/// The code of a refusal; `ok` when it was none.
pub(crate) fn code<T>(result: &Result<T, Fault>) -> &'static str {
    result.as_ref().map_or_else(|fault| fault.reason.as_str(), |_| "ok")
}

/// Waits until `condition` holds, 40 seconds at most.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(40);
    while !condition().await {
        assert!(tokio::time::Instant::now() < patience, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
