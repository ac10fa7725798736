//! The whole process: it starts without what it needs, says so, recovers by
//! itself, takes events from whom it knows, and ends when told.

use std::time::Duration;

use activity_service::{Config, Listeners, MIGRATOR, RelayListeners, Settings};
use chassis::{
    fault::{Fault, Reason},
    lifecycle::Lifecycle,
    rpc::{authorize, channel, outbound},
    service_token::ServiceToken,
    tokens::BearerToken,
};
use clap::Parser as _;
use proto::activity::v1::{
    RecordEventsRequest, RemoveAccountRequest, StatusRequest, account_service_client::AccountServiceClient,
    activity_service_client::ActivityServiceClient,
};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::{net::TcpListener, time::timeout};
use uuid::Uuid;

use crate::{notifier::Notifier, signer, world::eventually};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

fn reason<T>(answer: Result<T, tonic::Status>) -> Option<Reason> {
    answer.err().map(|status| Fault::from_status(&status).reason)
}

/// A database beside the test's own that does not exist yet.
async fn late_database(pool: &PgPool) -> (String, String) {
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(pool).await.unwrap();
    // Unquoted names are folded to lower case.
    let name = format!("late_{}", name.rsplit('_').next().unwrap()).to_lowercase();
    let url = std::env::var("DATABASE_URL").unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let url = format!("{server}/{name}");
    (name, url)
}

fn config(arguments: &[&str], token: ServiceToken) -> Config {
    let line = Line::parse_from([&["activity-service"], arguments].concat());
    line.settings.with_token(token).unwrap()
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn it_starts_before_what_it_needs_and_tells_what_it_hears(pool: PgPool) {
    chassis::install_crypto_provider();
    let (name, url) = late_database(&pool).await;
    let (notifier, notification) = Notifier::start().await;
    let auth = signer::serve_keys().await;
    let arguments = ["--database-url", &url, "--auth-url", &auth, "--notification-url", &notification];
    let config = config(&arguments, notifier.token.clone());
    let lifecycle = Lifecycle::new();
    let listeners =
        Listeners { grpc: listener().await, relay: RelayListeners::default(), admin: Some(listener().await) };
    let channel = channel(&format!("http://{}", listeners.grpc.local_addr().unwrap()).parse().unwrap());
    let running = tokio::spawn(activity_service::run(config, listeners, lifecycle.clone()));

    let mut client = ActivityServiceClient::new(channel.clone());
    let answer = timeout(Duration::from_secs(2), client.status(StatusRequest {})).await;
    assert_eq!(reason(answer.expect("never hangs")), Some(Reason::Unavailable));
    let create = format!("create database {name}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&pool).await.unwrap();
    eventually("it is ready", async || lifecycle.health().missing().is_empty()).await;
    client.status(StatusRequest {}).await.unwrap();

    let account = Uuid::now_v7();
    let event = |kind: &str, minute: u32| {
        json!({
            "deviceId": "watch", "type": kind, "timestamp": format!("2026-03-01T10:{minute:02}:00Z"),
            "details": { "programId": 7 },
        })
        .to_string()
    };
    let events_json = vec![
        event("TRAINING_PROGRAM_STARTED", 0),
        event("TRAINING_PROGRAM_FINISHED", 42),
        event("coffee", 43),
        "[]".to_owned(),
    ];
    let request = RecordEventsRequest { events_json, idempotency_key: "k".to_owned() };
    let stranger = client.record_events(request.clone()).await;
    assert_eq!(reason(stranger), Some(Reason::Unauthenticated));
    let forged = BearerToken::new(signer::token(account) + "x");
    assert_eq!(
        reason(client.record_events(authorize(request.clone(), &forged)).await),
        Some(Reason::Unauthenticated)
    );
    let token = BearerToken::new(signer::token(account));
    let answer = client.record_events(authorize(request.clone(), &token)).await.unwrap().into_inner();
    let kept: Value = serde_json::from_str(&answer.results[1].event_json).unwrap();
    assert_eq!((kept["deviceId"].as_str(), kept["details"]["programId"].as_i64()), (Some("watch"), Some(7)));
    assert!(
        answer.results[0].supported
            && !answer.results[2].supported
            && !answer.results[2].event_json.is_empty()
    );
    assert_eq!(answer.results[3].errors[0].field, "events[3]");
    eventually("it is told", async || {
        notifier.words("watch") == ["Congratulations, you trained 42 minutes today!"]
    })
    .await;
    let again = client.record_events(authorize(request, &token)).await.unwrap().into_inner();
    assert!(again.results[..3].iter().all(|result| result.repeated_event));

    let mut accounts = AccountServiceClient::new(channel);
    let gone = RemoveAccountRequest { account_id: account.to_string() };
    assert_eq!(reason(accounts.remove_account(gone.clone()).await), Some(Reason::Unauthenticated));
    accounts.remove_account(outbound(gone, &notifier.token)).await.unwrap();

    lifecycle.drain();
    timeout(Duration::from_secs(10), running).await.expect("it ends").unwrap().unwrap();
    let drop_it = format!("drop database {name} with (force)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop_it)).execute(&pool).await.unwrap();
}
