//! The byte stream that each client gets equals the oracle's.

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use sqlx::PgPool;

use super::{
    client::Client,
    oracle::Oracle,
    program::Program,
    source::Source,
    stream::{Part, Recipe},
    wait::until,
};

const EVENTS_A_PART: u64 = 500_000 / 3;
const RECIPE: Recipe = Recipe { users: 200, batch: 5_000, duplicates: 10, malformed: 30 };

/// A client's connection and everything it is to be told.
struct Connection {
    client: Client,
    expected: Vec<u8>,
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn half_a_million_events_reach_every_client_as_the_oracle_says(pool: PgPool) {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut program = Program::new(&pool).with("RELAY_ON_CLOSE", "reset");
    program.start().await;

    // Computed beforehand: early clients hear all three parts, late ones two, and
    // half of the early ones are replaced before the third.
    let part =
        |number: u64, rng: &mut StdRng| Part::new(1 + number * EVENTS_A_PART, EVENTS_A_PART, RECIPE, rng);
    let parts = [part(0, &mut rng), part(1, &mut rng), part(2, &mut rng)];
    let (early, late): (Vec<u64>, Vec<u64>) = ((1..=20).collect(), (21..=40).collect());
    let all: Vec<u64> = (1..=40).collect();
    let mut oracle = Oracle::default();
    let told = [oracle.tell(&parts[0], &early), oracle.tell(&parts[1], &all), oracle.tell(&parts[2], &all)];

    let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
    let mut replaced: Vec<Connection> = Vec::new();
    let mut sources = [Source::connect(program.sources).await, Source::connect(program.sources).await];
    let mut passed = 0;
    for (number, (part, told)) in parts.iter().zip(told).enumerate() {
        let arriving: &[u64] = match number {
            0 => &early,
            1 => &late,
            _ => &early[..10],
        };
        for id in arriving {
            let client = Client::connect(program.clients, *id).await;
            replaced.extend(connections.insert(*id, Connection { client, expected: Vec::new() }));
        }
        program.reaches("relay_clients", "", connections.len() as f64).await;
        program.reaches("relay_clients_dropped_total", "replaced", replaced.len() as f64).await;
        for (id, bytes) in told {
            connections.get_mut(&id).expect("connected").expected.extend(bytes);
        }
        send(&mut sources, part, rng.random()).await;
        passed += part.events.len() as u64;
        program.reaches("activity_events_total", "lane=\"relay\"", passed as f64).await;
    }

    for Connection { client, expected } in connections.values().chain(&replaced) {
        until("the last bytes", async || (client.length() >= expected.len()).then_some(())).await;
        assert!(client.told() == *expected, "another stream than the oracle's");
    }
    assert!(replaced.iter().all(|connection| connection.client.is_closed()));
    counts(&program, &parts).await;
    assert!(program.terminate().await, "{}", program.log());
}

async fn counts(program: &Program, parts: &[Part]) {
    let sum = |of: fn(&Part) -> u64| parts.iter().map(of).sum::<u64>() as f64;
    program.reaches("relay_duplicates_total", "", sum(|part| part.duplicates)).await;
    program.reaches("activity_events_total", "passed", sum(|part| part.passed)).await;
    program.reaches("relay_skipped_total", "", 0.0).await;
    let mut faults: BTreeMap<&str, u64> = BTreeMap::new();
    for (fault, count) in parts.iter().flat_map(|part| &part.malformed) {
        *faults.entry(fault).or_default() += count;
    }
    assert_eq!(faults.len(), 6);
    for (fault, count) in faults {
        program.reaches("relay_malformed_total", &format!("\"{fault}\""), count as f64).await;
    }
    assert!(program.log().contains("malformed line"));
}

/// Lines alternate between the sources, which write at the same time.
async fn send(sources: &mut [Source; 2], part: &Part, seed: u64) {
    let half = |odd: usize| part.lines.iter().skip(odd).step_by(2).flatten().copied().collect::<Vec<u8>>();
    let (even, odd) = (half(0), half(1));
    let [one, other] = sources;
    tokio::join!(one.send_split(&even, seed), other.send_split(&odd, seed.wrapping_add(1)));
}

#[sqlx::test(migrator = "activity_service::MIGRATOR")]
async fn a_finished_stream_is_followed_by_a_new_one_or_goes_on(pool: PgPool) {
    for (on_close, second, expected) in [
        ("reset", &b"1|B\n2|S|7\n3|B\n"[..], "1|B\n1|B\n3|B\n"),
        ("continue", &b"1|B\n3|S|7\n"[..], "1|B\n3|S|7\n"),
    ] {
        let mut program = Program::new(&pool).with("RELAY_ON_CLOSE", on_close);
        program.start().await;
        let client = Client::connect(program.clients, 5).await;
        program.reaches("relay_clients", "", 1.0).await;
        let mut source = Source::connect(program.sources).await;
        source.send(b"2|F|5|7\n1|B\n").await;
        program.reaches("activity_events_total", "", 2.0).await;
        drop(source);
        program.reaches("relay_sources", "", 0.0).await;
        if on_close == "reset" {
            program.reaches("relay_resets_total", "sources", 1.0).await;
        }
        let mut source = Source::connect(program.sources).await;
        source.send(second).await;
        until("both streams", async || (client.length() >= expected.len()).then_some(())).await;
        assert_eq!(String::from_utf8(client.told()).expect("text"), expected, "{on_close}");
        program.terminate().await;
    }
}
