//! A database, the double, people, and the service over them.

use std::{sync::Arc, time::Duration};

use calendar_service::{
    bus::MemoryBus,
    calendar::{self, NewCalendar},
    event, member,
    model::{CalendarView, EventFields, EventView},
    outbox,
    password::Passwords,
    reminder::Reminders,
    saga::{Participants, runner},
    service::{Nudge, Service},
    store::Store,
};
use chassis::{
    fault::Fault,
    lifecycle::Lifecycle,
    rpc::channel,
    service_token::ServiceToken,
    tokens::{BearerToken, Identity},
};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{auth_double::AuthDouble, notification_double::NotificationDouble};

/// Everything a test needs. `service` is one instance of the service; others
/// over the same database come from [`World::instance`].
pub(crate) struct World {
    pub(crate) pool: PgPool,
    pub(crate) auth: AuthDouble,
    pub(crate) notification: NotificationDouble,
    pub(crate) service: Service,
    auth_address: String,
    notification_address: String,
}

impl World {
    pub(crate) async fn new(pool: PgPool) -> Self {
        let auth = AuthDouble::default();
        let auth_address = auth.serve().await;
        let notification = NotificationDouble::default();
        let notification_address = notification.serve().await;
        let service = instance(&pool, &auth_address, &notification_address);
        Self { pool, auth, notification, service, auth_address, notification_address }
    }

    /// Another instance over the same database.
    pub(crate) fn instance(&self) -> Service {
        instance(&self.pool, &self.auth_address, &self.notification_address)
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

    /// A calendar with the password `pw`, and its owner.
    pub(crate) async fn calendar(&self, owner: &Identity, name: &str) -> CalendarView {
        let new = NewCalendar {
            calendar_name: name.to_owned(),
            calendar_password: "pw".to_owned(),
            ..NewCalendar::default()
        };
        calendar::create(&self.service, owner, new).await.unwrap()
    }

    /// Somebody joins with the password.
    pub(crate) async fn join(&self, person: &Identity, name: &str) {
        member::join(&self.service, person, name, Some("pw")).await.unwrap();
    }

    /// An event from 10 to 11 on the first of March 2026, with these fields over that.
    pub(crate) async fn event(
        &self,
        creator: &Identity,
        calendar_name: &str,
        over: Value,
    ) -> Result<EventView, Fault> {
        event::create(&self.service, creator, calendar_name, event_fields(over)).await
    }

    /// Each event so many times more, past the log.
    pub(crate) async fn repeat_events(&self, times: i32) {
        let repeated = sqlx::query(
            "insert into events (event_id, calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day,
                 location, description, reminders, participants, participant_names, sequence, status, created_by, created_by_name, seq)
             select gen_random_uuid(), calendar_id, state, ical, uid, summary, starts_at, ends_at, time_zone, all_day,
                 location, description, reminders, participants, participant_names, sequence, status, created_by, created_by_name, seq
             from events, generate_series(1, $1)",
        );
        repeated.bind(times).execute(&self.pool).await.unwrap();
    }

    /// Moves the database's clock, and with it every lease and deadline.
    pub(crate) async fn advance(&self, by: Duration) {
        sqlx::query("update app_clock set shift = shift + make_interval(secs => $1)")
            .bind(by.as_secs_f64())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Runs background work by hand until nothing is left; time flies meanwhile.
    pub(crate) async fn settle(&self, service: &Service) {
        for _ in 0..100 {
            let sagas = runner::round(service).await.unwrap();
            let outbox = outbox::round(service).await.unwrap();
            if !sagas && !outbox && self.unfinished().await == 0 {
                return;
            }
            if !sagas && !outbox {
                self.advance(Duration::from_secs(1)).await;
            }
        }
        panic!("background work does not end: {} left", self.unfinished().await);
    }

    /// Sagas that are not over, and messages that are not delivered.
    pub(crate) async fn unfinished(&self) -> i64 {
        self.count(
            "select (select count(*) from sagas where finished_at is null)
                 + (select count(*) from outbox where delivered_at is null)",
        )
        .await
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

fn instance(pool: &PgPool, auth: &str, notification: &str) -> Service {
    let token = ServiceToken::random();
    Service {
        store: Store::new(pool.clone()),
        lists: Arc::default(),
        bus: Arc::new(MemoryBus::new()),
        passwords: Passwords::new(),
        participants: Participants::new(channel(&auth.parse().unwrap()), token.clone()),
        reminders: Reminders::new(channel(&notification.parse().unwrap()), token),
        nudge: Nudge::default(),
        lifecycle: Lifecycle::new(),
    }
}

/// Fields of an event from 10 to 11 on the first of March 2026, with `over` over that.
pub(crate) fn event_fields(over: Value) -> EventFields {
    let mut body = json!({
        "event_name": "Dinner", "event_start": "2026-03-01T10:00:00Z", "event_end": "2026-03-01T11:00:00Z",
    });
    let Value::Object(over) = over else { panic!("fields are an object") };
    body.as_object_mut().unwrap().extend(over);
    patch(body)
}

/// Only these fields.
pub(crate) fn patch(body: Value) -> EventFields {
    let Value::Object(body) = body else { panic!("fields are an object") };
    EventFields::from_json(&body).unwrap()
}

/// The code of a refusal; `ok` when it was none.
pub(crate) fn code<T>(result: &Result<T, Fault>) -> &'static str {
    result.as_ref().map_or_else(|fault| fault.reason.as_str(), |_| "ok")
}

/// Waits until `condition` holds, five seconds at most.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = tokio::time::Instant::now() + Duration::from_secs(5);
    while !condition().await {
        assert!(tokio::time::Instant::now() < patience, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
