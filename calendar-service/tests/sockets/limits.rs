//! Who is not let in, and who is put out for going over a limit.

use calendar_service::socket::SocketLimits;
use serde_json::json;
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    client::Client,
    house::{House, Person, Plan},
};

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn nobody_comes_in_without_a_good_token_and_never_with_one_in_the_url(pool: PgPool) {
    let house = House::open(&pool).await;
    let ann = Person::new("ann");
    for token in ["", "x", &ann.token()[1..]] {
        assert_eq!(Client::connect(house.address, token, &[]).await.err(), Some(401));
    }
    let mut plain = TcpStream::connect(house.address).await.unwrap();
    let request = format!("GET /ws?token={} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", ann.token());
    plain.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426"), "{answer}");
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn the_eleventh_socket_of_an_account_is_refused_until_one_is_gone(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(house.connect(&ann).await);
    }
    assert_eq!(Client::connect(house.address, &ann.token(), &[]).await.err(), Some(429));
    house.connect(&Person::new("bob")).await;
    open.pop();
    while let Err(status) = Client::connect(house.address, &ann.token(), &[]).await {
        assert_eq!(status, 429);
        tokio::task::yield_now().await;
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn every_limit_has_its_close_code(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let frame =
        |bytes: usize| Message::text(format!(r#"{{"type":"message","message":"{}"}}"#, "x".repeat(bytes)));
    let mut client = house.connect(&ann).await;
    client.send(frame(64 * 1024 - 40)).await;
    assert_eq!(client.until("error").await["code"], "too_long", "64 KiB is read");
    client.send(frame(64 * 1024)).await;
    assert_eq!(client.end().await, 1009);

    let mut client = house.connect(&ann).await;
    client.send(Message::binary(vec![1])).await;
    assert_eq!(client.end().await, 1003);

    // A masked text frame with a byte that no UTF-8 text has; the mask is 0.
    let mut client = house.connect(&ann).await;
    client.raw().write_all(&[0x81, 0x81, 0, 0, 0, 0, 0xff]).await.unwrap();
    assert_eq!(client.end().await, 1007);

    // An unmasked frame from a client.
    let mut client = house.connect(&ann).await;
    client.raw().write_all(&[0x81, 0x01, b'x']).await.unwrap();
    assert_eq!(client.end().await, 1002);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn the_frame_over_the_pace_is_refused_and_the_last(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let mut client = house.connect(&ann).await;
    for id in 0..200 {
        client.say(&json!({ "type": "message", "calendar_name": "none", "message": "x", "id": id })).await;
    }
    let refused = client.find(|frame| frame["code"] == "rate_limited").await;
    assert_eq!((&refused["type"], &refused["ok"]), (&json!("ack"), &json!(false)));
    assert!((60..100).contains(&refused["id"].as_i64().unwrap()), "{refused}");
    assert_eq!(client.end().await, 1008);
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_reader_that_does_not_read_is_put_out_and_the_room_goes_on(pool: PgPool) {
    let limits = SocketLimits { queued_frames: 50, ..SocketLimits::default() };
    let house = House::open_as(&pool, Plan { limits, ..Plan::default() }).await;
    let (ann, bob) = (Person::new("ann"), Person::new("bob"));
    let calendar_id = house.calendar(&ann, "Home").await;
    house.admit(calendar_id, &bob).await;
    let (mut reader, mut sleeper) = (house.join(&ann, "Home").await, house.join(&bob, "Home").await);
    // More than the kernel keeps for a socket that nobody reads (some 6 MB).
    let text = "x".repeat(100_000);
    let mut said = 0;
    while house.sockets.count() == 2 && said < 400 {
        house.append(calendar_id, std::slice::from_ref(&text), true).await;
        reader.until("message").await;
        said += 1;
    }
    let ended = sleeper.end().await;
    assert_eq!(ended, 1013);
    let seqs: Vec<_> =
        sleeper.heard_before_the_end("message").iter().map(|m| m["seq"].as_i64().unwrap()).collect();
    let first = seqs[0];
    assert!(seqs.len() < said, "it cannot have been sent everything");
    assert_eq!(seqs, (first..).take(seqs.len()).collect::<Vec<_>>(), "whole frames, in order, to the end");
}
