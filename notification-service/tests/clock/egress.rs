//! Addresses that must never get a connection. A trap counts them.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use notification_service::{
    MIGRATOR,
    webhook::{Client, Failure, Guard, Message, Resolve, Target, trust},
};
use sqlx::PgPool;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use uuid::Uuid;

use crate::{
    receiver::{Receiver, Trap},
    world::{Running, World, eventually},
};

/// Names and their addresses; a name with several lists gives one after the other.
struct Names {
    lists: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    fn of(lists: &[(&'static str, &[&[&str]])]) -> Arc<Self> {
        let read = |list: &[&str]| -> Vec<IpAddr> { list.iter().map(|text| text.parse().unwrap()).collect() };
        let lists = lists.iter().map(|(name, lists)| (*name, lists.iter().map(|list| read(list)).collect()));
        Arc::new(Self { lists: lists.collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        async move {
            let lists = self.lists.get(name).ok_or(io::ErrorKind::NotFound)?;
            let turn = self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(lists[turn.min(lists.len() - 1)].clone())
        }
        .boxed()
    }
}

fn client(allowed: &[&str], names: Arc<Names>) -> Client {
    let allowed = allowed.iter().map(|range| range.parse().unwrap()).collect();
    Client::new(allowed, names, trust(None).unwrap())
}

/// As the guard of a generous operator would read it: what is sent is checked again.
fn target(url: &str) -> Target {
    let generous = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    Target::parse(url, &Guard::new(generous)).unwrap()
}

async fn post(client: &Client, url: &str) -> Result<u16, Failure> {
    let message = Message { id: Uuid::new_v4(), timestamp: 1, body: "{}".into(), secrets: None };
    client.post(&target(url), &message).await
}

#[tokio::test]
async fn private_addresses_get_no_connection_however_they_are_spelt_or_named() {
    let trap = Trap::set("127.0.0.1:0").await;
    let port = trap.address.port();
    let names = Names::of(&[
        ("inside.example", &[&["127.0.0.1"]]),
        ("mapped.example", &[&["::ffff:127.0.0.1"]]),
        ("mixed.example", &[&["127.0.0.1", "192.0.2.1"], &["192.0.2.1", "127.0.0.1"]]),
        ("half.example", &[&["8.8.8.8", "127.0.0.1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
        ("localhost", &[&["127.0.0.1"]]),
    ]);
    let client = client(&[], names);
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "0.0.0.0",
        "localhost",
        "inside.example",
        "INSIDE.example.",
        "mapped.example",
        "mixed.example",
        "half.example",
        "metadata.example",
    ] {
        let refused = post(&client, &format!("http://{host}:{port}/")).await;
        assert_eq!(refused, Err(Failure::Refused), "{host}");
    }
    assert_eq!(post(&client, &format!("http://nowhere.example:{port}/")).await, Err(Failure::NoSuchName));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_checked_again_and_connected_where_it_was_checked() {
    let good = Receiver::on("127.0.0.2:0").await;
    let port = good.address.port();
    let trap = Trap::set(&format!("127.0.0.1:{port}")).await;
    let names = Names::of(&[("rebinding.example", &[&["127.0.0.2"], &["127.0.0.1"]])]);
    let url = format!("http://rebinding.example:{port}/");
    let first = client(&["127.0.0.2/32"], Arc::clone(&names));
    assert_eq!(post(&first, &url).await, Ok(200));
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "resolved once");
    assert_eq!(good.log()[0].header("host"), format!("rebinding.example:{port}"));
    // Without a connection that is still there the name is asked for again.
    let second = client(&["127.0.0.2/32"], names);
    assert_eq!(post(&second, &url).await, Err(Failure::Refused));
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_request_goes_straight_to_the_receiver_and_asks_for_nothing_special() {
    let receiver = Receiver::start().await;
    let client = client(&["127.0.0.0/8"], Names::of(&[]));
    assert_eq!(post(&client, &receiver.url()).await, Ok(200));
    let got = receiver.log().remove(0);
    assert!(got.path.starts_with('/'), "the request is not one to a proxy: {}", got.path);
    assert!(got.headers.get("accept-encoding").is_none(), "nothing is to be decompressed");
    // The connection is used again.
    assert_eq!(post(&client, &receiver.url()).await, Ok(200));
}

#[tokio::test]
async fn a_connection_that_the_receiver_closed_is_not_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    // Says that the connection may be used again, and closes it.
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = Vec::new();
            while !request.ends_with(b"{}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    });
    let client = client(&["127.0.0.0/8"], Names::of(&[]));
    for _ in 0..5 {
        assert_eq!(post(&client, &url).await, Ok(200));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 5);
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn a_timer_from_before_the_operator_closed_a_range_gets_no_connection(pool: PgPool) {
    let world = World::new(pool).await;
    let trap = Trap::set("127.0.0.1:0").await;
    let ann = Uuid::now_v7();
    let id = world.timer_to(ann, 1, &format!("http://{}/", trap.address)).await.unwrap().timer_id;
    let named = world.timer_to(ann, 1, &format!("http://inside.example:{}/", trap.address.port())).await;
    let named = named.unwrap().timer_id;
    world.advance(Duration::from_secs(2)).await;
    let names = Names::of(&[("inside.example", &[&["127.0.0.1"]])]);
    let engine = Running::start(world.engine_with(&[], names));
    for timer in [id, named] {
        eventually("an attempt", async || world.see(ann, timer).await.attempts == 1).await;
        assert_eq!(world.see(ann, timer).await.last_status, 0);
    }
    assert_eq!(trap.connections(), 0);
    engine.stop().await;
}
