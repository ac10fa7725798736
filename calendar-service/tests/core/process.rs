//! The whole process: it starts without its database and without auth-service,
//! says so, recovers by itself, and ends when told.

use std::time::Duration;

use calendar_service::{
    Config, Listeners, MIGRATOR,
    socket::{BroadcastScope, SocketLimits},
};
use chassis::{
    fault::{Fault, Reason},
    lifecycle::Lifecycle,
    rpc::{channel, outbound},
    service_token::ServiceToken,
};
use proto::calendar::v1::{
    CloseTunnelsRequest, DeliverEventReminderRequest, DeliverNotificationRequest,
    DeliverScheduledReminderRequest, FindPeerRequest, ListCalendarsRequest, RemoveAccountRequest,
    StatusRequest, account_service_client::AccountServiceClient,
    calendar_service_client::CalendarServiceClient, delivery_service_client::DeliveryServiceClient,
    tunnel_service_client::TunnelServiceClient,
};
use sqlx::PgPool;
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use crate::world::eventually;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn reason<T>(answer: Result<T, tonic::Status>) -> Option<Reason> {
    answer.err().map(|status| Fault::from_status(&status).reason)
}

/// A database beside the test's own that does not exist yet.
async fn late_database(pool: &PgPool) -> (String, String) {
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap();
    let name = format!("late_{}", name.rsplit('_').next().unwrap());
    let url = std::env::var("DATABASE_URL").unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    (name, url)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_starts_before_what_it_needs_and_ends_when_told(pool: PgPool) {
    let (name, url) = late_database(&pool).await;
    let token = ServiceToken::random();
    let config = Config {
        database_url: url.into(),
        replica_urls: Vec::new(),
        database_connections: 4,
        // Nobody is there, nor at Redis.
        auth_url: "http://127.0.0.1:9".parse().unwrap(),
        notification_url: "http://127.0.0.1:9".parse().unwrap(),
        redis_url: Some("redis://127.0.0.1:9".into()),
        service_token: token.clone(),
        wire: chassis::tls::Wire::plain(),
        broadcast_scope: BroadcastScope::Everyone,
        limits: SocketLimits::default(),
    };
    let lifecycle = Lifecycle::new();
    let listeners =
        Listeners { grpc: listener().await, socket: listener().await, admin: Some(listener().await) };
    let channel = channel(&format!("http://{}", listeners.grpc.local_addr().unwrap()).parse().unwrap());
    let running = tokio::spawn(calendar_service::run(config, listeners, lifecycle.clone()));

    let mut calendars = CalendarServiceClient::new(channel.clone());
    let answer = timeout(Duration::from_secs(2), calendars.status(StatusRequest {})).await;
    assert_eq!(reason(answer.expect("never hangs")), Some(Reason::Unavailable));
    let missing: Vec<_> = lifecycle.health().missing().into_iter().map(|(name, _)| name).collect();
    assert!(
        missing.contains(&"database".to_owned()) && missing.contains(&"token keys".to_owned()),
        "{missing:?}"
    );

    // The name is ours: an identifier cannot be bound.
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&pool).await.unwrap();
    eventually("the database is up", async || calendars.status(StatusRequest {}).await.is_ok()).await;
    eventually("the schema is there", async || {
        !lifecycle.health().missing().iter().any(|(name, _)| name == "database")
    })
    .await;

    let list = calendars.list_calendars(ListCalendarsRequest {}).await;
    assert_eq!(reason(list), Some(Reason::Unauthenticated), "without a token");
    let gone = RemoveAccountRequest { account_id: Uuid::now_v7().to_string() };
    let mut accounts = AccountServiceClient::new(channel.clone());
    assert_eq!(reason(accounts.remove_account(gone.clone()).await), Some(Reason::Unauthenticated));
    let foreign = ServiceToken::random();
    assert_eq!(
        reason(accounts.remove_account(outbound(gone.clone(), &foreign)).await),
        Some(Reason::Unauthenticated)
    );
    assert_eq!(reason(accounts.remove_account(outbound(gone, &token)).await), None);
    let mut deliveries = DeliveryServiceClient::new(channel.clone());
    let peer = FindPeerRequest { account_id: Uuid::now_v7().to_string(), username: "ann".to_owned() };
    assert_eq!(reason(deliveries.find_peer(peer.clone()).await), Some(Reason::Unauthenticated));
    assert_eq!(reason(deliveries.find_peer(outbound(peer, &token)).await), Some(Reason::NotFound));
    let notification = DeliverNotificationRequest {
        id: "one".to_owned(),
        account_id: Uuid::now_v7().to_string(),
        message: "hello".to_owned(),
        device_id: String::new(),
    };
    let deliver = deliveries.deliver_notification(notification.clone()).await;
    assert_eq!(reason(deliver), Some(Reason::Unauthenticated));
    assert_eq!(reason(deliveries.deliver_notification(outbound(notification, &token)).await), None);
    let due = DeliverEventReminderRequest {
        id: "two".to_owned(),
        event_id: Uuid::now_v7().to_string(),
        minutes_before: 5,
        starts_at: "2030-05-01T16:00:00Z".to_owned(),
        late: false,
    };
    assert_eq!(reason(deliveries.deliver_event_reminder(outbound(due.clone(), &token)).await), None, "gone");
    let odd = DeliverEventReminderRequest { starts_at: "soon".to_owned(), ..due };
    assert_eq!(reason(deliveries.deliver_event_reminder(outbound(odd, &token)).await), Some(Reason::Invalid));
    let scheduled = DeliverScheduledReminderRequest::default();
    let nameless = deliveries.deliver_scheduled_reminder(outbound(scheduled, &token)).await;
    assert_eq!(reason(nameless), Some(Reason::Invalid));
    let mut tunnels = TunnelServiceClient::new(channel);
    let close = CloseTunnelsRequest { gateway_id: "g".to_owned() };
    assert_eq!(reason(tunnels.close_tunnels(close.clone()).await), Some(Reason::Unauthenticated));
    assert_eq!(tunnels.close_tunnels(outbound(close, &token)).await.unwrap().into_inner().closed, 0);
    drop((calendars, accounts, deliveries, tunnels));

    lifecycle.drain();
    let ended = timeout(Duration::from_secs(8), running).await;
    ended.expect("in time").unwrap().unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("drop database {name} with (force)")))
        .execute(&pool)
        .await
        .unwrap();
}
