//! Killing any part: lost 0, misordered 0, and after a processor crash a suffix
//! at most comes again. RabbitMQ is one for all of these tests: they run one at a time.

use std::{collections::BTreeMap, sync::atomic::Ordering, time::Duration};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::PgPool;
use tokio::time::{Instant, timeout};

use super::{
    client::Client,
    crowd::{BATCH, Position, Returning, place, send_until_arrived},
    oracle::Oracle,
    program::Program,
    rabbitmq::RabbitMq,
    source::Source,
    stream::{Event, Part, Recipe, text},
    wait::until,
};

const EVENTS: u64 = 120_000;
const CLIENTS: u64 = 10;

fn queue() -> String {
    format!("test-{}", rand::rng().random::<u64>())
}

fn role(pool: &PgPool, rabbitmq: &RabbitMq, queue: &str, role: &str) -> Program {
    Program::new(pool)
        .with("RELAY_ROLE", role)
        .with("AMQP_URL", &rabbitmq.url)
        .with("RELAY_QUEUE", queue)
        // Clients come back within milliseconds, on a busy machine later.
        .with("RELAY_TAKEOVER_GRACE", "1500 ms")
}

/// A stream of whole batches that ends with a broadcast: who hears that has heard all.
fn part(rng: &mut StdRng) -> Part {
    let recipe = Recipe { users: 50, batch: BATCH, duplicates: 0, malformed: 0 };
    let mut part = Part::new(1, EVENTS - 1, recipe, rng);
    let line = format!("{EVENTS}|B\n").into_bytes();
    part.lines.push(line.clone());
    part.events.push((EVENTS, Event::Broadcast, line));
    part
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn killing_listener_processors_and_rabbitmq_loses_nothing(pool: PgPool) {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let part = part(&mut StdRng::seed_from_u64(seed));
    let ids: Vec<u64> = (1..=CLIENTS).collect();
    let expected = Oracle::default().tell(&part, &ids);

    let (rabbitmq, queue) = (RabbitMq::start().await, queue());
    let mut listener = role(&pool, &rabbitmq, &queue, "listen");
    let mut processors =
        [role(&pool, &rabbitmq, &queue, "process"), role(&pool, &rabbitmq, &queue, "process")];
    processors[0].start().await;
    processors[0].reaches("relay_leads", "", 1.0).await;
    processors[1].start().await;
    listener.start().await;

    let position = Position::default();
    let addresses = vec![processors[0].clients, processors[1].clients];
    let crowd: BTreeMap<u64, Returning> = ids
        .iter()
        .map(|id| (*id, Returning::start(addresses.clone(), *id, (*id == 1).then(|| position.clone()))))
        .collect();
    processors[0].reaches("relay_clients", "", CLIENTS as f64).await;
    let source = tokio::spawn(send_until_arrived(listener.sources, part.lines.clone(), position.clone()));

    // Each fault hits a stream that flows.
    let past = async |events: u64| {
        until("the stream to flow", async || (position.load(Ordering::SeqCst) > events).then_some(())).await;
    };
    past(EVENTS / 10).await;
    listener.kill().await;
    listener.start().await;
    past(EVENTS * 3 / 10).await;
    processors[0].kill().await;
    processors[1].reaches("relay_leads", "", 1.0).await;
    processors[0].start().await;
    past(EVENTS / 2).await;
    rabbitmq.kill().await;
    let before = position.load(Ordering::SeqCst);
    assert!(before < EVENTS, "nothing was left to be hit");
    rabbitmq.again().await;
    let serves = Instant::now();
    past(before + 2 * BATCH as u64).await;
    assert!(serves.elapsed() < Duration::from_secs(10), "flows again only after {:?}", serves.elapsed());
    past(EVENTS * 7 / 10).await;
    processors[1].kill().await;
    processors[0].reaches("relay_leads", "", 1.0).await;

    timeout(Duration::from_mins(1), source).await.expect("everything arrives").expect("no panic");
    let mut repeats = 0;
    for (id, client) in &crowd {
        let heard =
            async || client.sessions().concat().ends_with(format!("{EVENTS}|B\n").as_bytes()).then_some(());
        until("the last event", heard).await;
        repeats += check(*id, &client.sessions(), &expected[id]);
    }
    assert!(repeats <= 2 * CLIENTS as usize, "{repeats} repeats by two crashes");
    println!("{repeats} sessions began with a suffix of the one before");
}

/// Fails when something is lost, misordered or repeated otherwise than as a
/// suffix; answers how often a session began with something that was told before.
fn check(id: u64, sessions: &[Vec<u8>], expected: &[u8]) -> usize {
    let expected: Vec<&[u8]> = expected.split_inclusive(|byte| *byte == b'\n').collect();
    let (mut told, mut repeats) = (0, 0);
    for session in sessions {
        let lines: Vec<&[u8]> = session.split_inclusive(|byte| *byte == b'\n').collect();
        // A connection that was cut may end within a line.
        let lines: Vec<&[u8]> = lines.into_iter().filter(|line| line.ends_with(b"\n")).collect();
        let Some(first) = lines.first().and_then(|line| place(line)) else { continue };
        let begin = expected.partition_point(|line| place(line) < Some(first));
        assert!(begin <= told, "client {id} lost what comes before {first}");
        assert!(lines == expected[begin..begin + lines.len()], "client {id}: misordered after {first}");
        repeats += usize::from(begin < told);
        told = told.max(begin + lines.len());
    }
    assert_eq!(told, expected.len(), "client {id} lost the end");
    repeats
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn what_is_acknowledged_only_after_its_snapshot_survives_the_processor(pool: PgPool) {
    assert_eq!(crash_after_delivery(&pool, "").await, 0);
}

/// The negative control: with the defence off the same crash loses.
#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn what_is_acknowledged_before_its_snapshot_is_lost_with_the_processor(pool: PgPool) {
    assert_eq!(crash_after_delivery(&pool, "relay.acknowledge.early=refuse").await, 1000);
}

/// A processor that has taken a thousand events and kept no snapshot is killed;
/// answers how many are missing when a thousand more have come.
async fn crash_after_delivery(pool: &PgPool, failpoints: &str) -> u64 {
    let lines = |from: u64, to: u64| text(from..=to, |seq| format!("{seq}|B\n"));
    let (rabbitmq, queue) = (RabbitMq::start().await, queue());
    let mut listener = role(pool, &rabbitmq, &queue, "listen");
    let mut processor = role(pool, &rabbitmq, &queue, "process")
        .with("FAILPOINTS", failpoints)
        .with("RELAY_SNAPSHOT_INTERVAL", "1 hour");
    listener.start().await;
    processor.start().await;
    let mut source = Source::connect(listener.sources).await;
    source.send(lines(1, 1000).as_bytes()).await;
    processor.reaches("activity_events_total", "broadcast", 1000.0).await;
    processor.kill().await;
    source.send(lines(1001, 2000).as_bytes()).await;
    processor.start().await;
    // Either all come out, or those that came later wait for ever.
    until("the rest", async || {
        let out = processor.metric("activity_events_total", "broadcast").await;
        let waiting = processor.metric("relay_gap_events", "").await;
        let all = out + waiting;
        ((all - 2000.0).abs() < 0.5 || (out < 0.5 && (waiting - 1000.0).abs() < 0.5)).then_some(())
    })
    .await;
    2000 - (processor.metric("activity_events_total", "broadcast").await
        + processor.metric("relay_gap_events", "").await) as u64
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_listener_whose_broker_is_gone_stops_reading_and_goes_on_when_it_is_back(pool: PgPool) {
    let (rabbitmq, queue) = (RabbitMq::start().await, queue());
    let mut both = role(&pool, &rabbitmq, &queue, "both");
    both.start().await;
    let client = Client::connect(both.clients, 1).await;
    both.reaches("relay_clients", "", 1.0).await;
    let mut source = Source::connect(both.sources).await;
    source.send(b"1|B\n").await;
    both.reaches("activity_events_total", "broadcast", 1.0).await;
    rabbitmq.kill().await;

    let text = text(2..=3_000_000, |seq| format!("{seq}|P|1|2\n"));
    let mut rest = text.as_bytes();
    // Nothing taken for a while: it reads no more.
    while let Ok(written) = timeout(Duration::from_secs(2), source.try_send(rest)).await {
        rest = &rest[written.expect("still connected")..];
        assert!(!rest.is_empty(), "it has read everything, and keeps it where?");
    }
    assert!(both.peak_memory() < 256 << 20, "{} bytes", both.peak_memory());
    rabbitmq.again().await;
    let serves = Instant::now();
    let sent = text.len() - rest.len();
    until("room for more", async || {
        let written = timeout(Duration::from_millis(10), source.try_send(rest)).await;
        written.is_ok_and(|written| written.is_ok_and(|written| written > 0)).then_some(())
    })
    .await;
    assert!(serves.elapsed() < Duration::from_secs(10), "flows again only after {:?}", serves.elapsed());
    // What was whole when the broker was gone comes out.
    let whole = text[..sent].matches('\n').count() as f64;
    until("what was sent", async || {
        (both.metric("activity_events_total", "private").await >= whole).then_some(())
    })
    .await;
    assert_eq!(client.told(), b"1|B\n");
}
