//! How connections end that did nothing wrong.

use std::time::Duration;

use calendar_service::{socket::SocketLimits, tunnels::Tunnels as _};
use serde_json::json;
use sqlx::PgPool;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::{Client, SOON},
    house::{House, Person, Plan},
    instances::until,
    socket_io_client::SocketIoClient,
};

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_session_that_ends_takes_its_sockets_along_and_no_others(pool: PgPool) {
    let house = House::open(&pool).await;
    let (ann, ann_elsewhere) = {
        let ann = Person::new("ann");
        let mut elsewhere = Person::new("ann");
        elsewhere.identity.account_id = ann.identity.account_id;
        (ann, elsewhere)
    };
    let (mut one, mut two) = (house.connect(&ann).await, house.connect(&ann).await);
    let mut other = house.connect(&ann_elsewhere).await;
    house.book.end(ann.identity.session_id);
    assert_eq!((one.end().await, two.end().await), (4401, 4401));
    other.heard(&[]).await;
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_session_ends_at_its_time(pool: PgPool) {
    let house = House::open(&pool).await;
    // Tokens count in whole seconds.
    let mut client = house.connect(&Person::living("ann", Duration::from_secs(2))).await;
    assert_eq!(client.end().await, 4401);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn who_does_not_answer_a_ping_is_gone(pool: PgPool) {
    let (ping_every, pong_within) = (Duration::from_millis(50), Duration::from_millis(300));
    let limits = SocketLimits { ping_every, pong_within, ..SocketLimits::default() };
    let house = House::open_as(&pool, Plan { limits, ..Plan::default() }).await;
    let ann = Person::new("ann");
    let mut alive = house.connect(&ann).await;
    let _silent = house.connect(&Person::new("bob")).await;
    tokio::select! {
        // Answers pings while it reads.
        code = alive.end() => panic!("who answers was closed with {code}"),
        () = until("only one is left", async || house.sockets.count() == 1) => {}
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_drain_finishes_what_was_said_and_tells_when_to_come_back(pool: PgPool) {
    let mut house = House::open(&pool).await;
    let ann = Person::new("ann");
    house.calendar(&ann, "Home").await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(house.join(&ann, "Home").await);
    }
    let id = clients[0].post(&json!({ "type": "message", "calendar_name": "Home", "message": "last" })).await;
    house.service.lifecycle.drain();
    clients[0].find(|frame| frame["type"] == "ack" && frame["id"] == id && frame["ok"] == true).await;
    let mut waits = Vec::new();
    for client in &mut clients {
        assert_eq!(client.until("message").await["message"], "last");
        waits.push(client.until("going_away").await["retry_after_ms"].as_u64().unwrap());
        assert_eq!(client.end().await, 1012);
    }
    waits.dedup();
    assert!(waits.len() > 1, "all at once would be a stampede: {waits:?}");
    timeout(SOON, &mut house.serving).await.unwrap().unwrap().unwrap();
    timeout(SOON, house.service.lifecycle.finish()).await.unwrap();
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_hard_stop_waits_for_no_socket(pool: PgPool) {
    let mut house = House::open(&pool).await;
    let ann = Person::new("ann");
    let _raw = house.connect(&ann).await;
    let auth = json!({ "token": ann.token() });
    let _socket_io = SocketIoClient::connect(house.address, &auth).await.unwrap();
    house.service.lifecycle.abort();
    timeout(SOON, &mut house.serving).await.unwrap().unwrap().unwrap();
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_gateway_that_goes_takes_its_own_sockets_along(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let token = ann.token();
    let mut one = Client::connect(house.address, &token, &[("x-gateway-id", "one")]).await.unwrap();
    let mut two = Client::connect(house.address, &token, &[("x-gateway-id", "two")]).await.unwrap();
    assert_eq!(house.sockets.close_tunnels("one").await, 1);
    one.until("going_away").await;
    assert_eq!(one.end().await, 1012);
    two.heard(&[]).await;
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_clients_goodbye_is_answered_and_its_ping_too(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut client = house.connect(&ann).await;
    client.send(Message::Ping(vec![7].into())).await;
    client.until_pong(&[7]).await;
    client.send(Message::Close(None)).await;
    assert_eq!(client.end().await, 1005);
    timeout(SOON, async {
        while house.sockets.count() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
