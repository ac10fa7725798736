//! Lost 0, doubled 0, misordered 0: whatever is cut, lost or late.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::time::timeout;

use crate::{
    client::{Client, SOON},
    house::{House, Person, Plan},
};

/// The seqs of what a client heard of the log, which must follow each other.
fn seqs(frames: &[Value]) -> Vec<i64> {
    frames.iter().filter(|frame| frame["by"].is_string()).filter_map(|frame| frame["seq"].as_i64()).collect()
}

async fn resume(client: &mut Client, last_seq: i64) {
    let ack = client.ask(&json!({ "type": "resume", "calendars": { "Home": last_seq } })).await.unwrap();
    assert_eq!(ack["calendars"]["Home"]["ok"], true, "{ack}");
}

/// Connections that are cut at random while others talk: after a resume each
/// has every seq once, in order.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn after_random_cuts_everybody_has_everything_once(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let people: Vec<_> = (0..12).map(|n| Person::new(&format!("p{n}"))).collect();
    for person in &people {
        house.admit(calendar_id, person).await;
    }
    let mut seed = rand_seed();
    let start = house.last_seq(calendar_id).await;
    let total = start + 150;
    let listeners: Vec<_> = people
        .iter()
        .map(|person| {
            let (person, address) = (person.clone(), house.address);
            let mut random = move || {
                // Knuth's linear congruential generator: the seed is printed, the run repeats.
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                seed >> 33
            };
            tokio::spawn(async move {
                let mut heard: Vec<i64> = Vec::new();
                while heard.last() != Some(&total) {
                    let mut client = Client::connect(address, &person.token(), &[]).await.unwrap();
                    let have = heard.last().copied().unwrap_or(start);
                    resume(&mut client, have).await;
                    for _ in 0..random() % 40 {
                        heard.extend(seqs(&[client.next().await]));
                        if heard.last() == Some(&total) {
                            break;
                        }
                    }
                }
                heard
            })
        })
        .collect();
    let mut sent = BTreeSet::new();
    for n in 0..150 {
        let text = format!("entry {n}");
        sent.insert(text.clone());
        house.append(calendar_id, &[text], true).await;
    }
    for listener in listeners {
        let heard = timeout(SOON, listener).await.unwrap().unwrap();
        assert_eq!(heard, (start + 1..=total).collect::<Vec<_>>());
    }
    let log = house.service.store.changes_after(calendar_id, start, 1_000).await.unwrap();
    let kept: BTreeSet<_> = log.iter().map(|change| text_of(&change.payload)).collect();
    assert_eq!(kept, sent);
}

fn text_of(payload: &str) -> String {
    serde_json::from_str::<Value>(payload).unwrap()["message"].as_str().unwrap().to_owned()
}

fn rand_seed() -> u64 {
    let seed = std::env::var("SEED")
        .map_or_else(|_| uuid::Uuid::new_v4().as_u64_pair().0, |seed| seed.parse().unwrap());
    eprintln!("SEED={seed}");
    seed
}

/// The bus of another instance says nothing here: the poll finds it.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_lost_wake_up_is_healed_and_a_gap_is_read(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let mut client = house.join(&ann, "Home").await;
    house.append(calendar_id, &["lost".to_owned()], false).await;
    // Healed at once by the next change, which leaves a gap ...
    house.append(calendar_id, &["told".to_owned()], true).await;
    assert_eq!(client.until("message").await["message"], "lost");
    assert_eq!(client.until("message").await["message"], "told");
    // ... and by itself when there is none.
    house.append(calendar_id, &["lost again".to_owned()], false).await;
    assert_eq!(client.until("message").await["message"], "lost again");
}

/// Two instances on two buses share only the log.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn two_instances_tell_the_same_log(pool: PgPool) {
    let (one, two) = (House::open(&pool).await, House::open_as(&pool, Plan::default()).await);
    let ann = Person::new("ann");
    let calendar_id = one.calendar(&ann, "Home").await;
    let start = one.last_seq(calendar_id).await;
    let (mut here, mut there) = (one.join(&ann, "Home").await, two.join(&ann, "Home").await);
    for n in 0..10 {
        let (from, text) = (if n % 2 == 0 { &mut here } else { &mut there }, n.to_string());
        from.ask(&json!({ "type": "message", "calendar_name": "Home", "message": text })).await.unwrap();
    }
    let last = json!({ "type": "message", "calendar_name": "Home", "message": "last" });
    here.ask(&last).await.unwrap();
    for client in [&mut here, &mut there] {
        let mut heard = Vec::new();
        loop {
            let message = client.until("message").await;
            heard.push(message["seq"].as_i64().unwrap());
            if message["message"] == "last" {
                break;
            }
        }
        assert_eq!(heard, (start + 1..=start + 11).collect::<Vec<_>>());
    }
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn what_is_too_much_to_replay_is_a_resync_and_never_a_silent_gap(pool: PgPool) {
    let plan = Plan {
        limits: calendar_service::socket::SocketLimits { replay_changes: 100, ..Default::default() },
        ..Plan::default()
    };
    let (house, ann) = (House::open_as(&pool, plan).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let texts: Vec<_> = (house.last_seq(calendar_id).await..101).map(|n| n.to_string()).collect();
    house.append(calendar_id, &texts, true).await;
    for (have, missed) in [(0, None), (1, Some(100)), (100, Some(1)), (101, Some(0)), (500, None)] {
        let mut client = house.connect(&ann).await;
        resume(&mut client, have).await;
        client.until("joined").await;
        match missed {
            None => assert_eq!(client.until("resync").await["last_seq"], 101),
            Some(missed) => {
                for n in 0..missed {
                    assert_eq!(client.until("message").await["seq"], 101 - missed + n + 1);
                }
            }
        }
        assert_eq!(seqs(&client.heard(&["message"]).await), Vec::<i64>::new());
    }
}

/// Everything of a replay and of what happens meanwhile, to who comes back late.
#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_long_replay_meets_the_present_without_a_seam(pool: PgPool) {
    let (house, ann) = (House::open(&pool).await, Person::new("ann"));
    let calendar_id = house.calendar(&ann, "Home").await;
    let before: Vec<_> =
        (house.last_seq(calendar_id).await..3_000).map(|n| format!("{n} {}", "x".repeat(500))).collect();
    for some in before.chunks(500) {
        house.append(calendar_id, some, true).await;
    }
    let mut client = house.connect(&ann).await;
    resume(&mut client, 0).await;
    let talking = async {
        for n in 0..200 {
            house.append(calendar_id, &[format!("meanwhile {n}")], true).await;
        }
    };
    let listening = async {
        let mut heard = Vec::new();
        while heard.len() < 3_200 {
            heard.extend(seqs(&[client.next().await]));
        }
        heard
    };
    let ((), heard) = tokio::join!(talking, listening);
    assert_eq!(heard, (1..=3_200).collect::<Vec<_>>());
}

#[sqlx::test(migrator = "calendar_service::MIGRATOR")]
async fn a_resume_says_of_each_calendar_what_became_of_it(pool: PgPool) {
    let (house, ann, bob) = (House::open(&pool).await, Person::new("ann"), Person::new("bob"));
    for name in ["Home", "Work"] {
        house.calendar(&ann, name).await;
    }
    house.calendar(&bob, "Bob's").await;
    let mut client = house.join(&ann, "Work").await;
    let all = json!({ "Home": 0, "Work": 0, "Bob's": 0, "Nowhere": 3, "HOME": 0 });
    let ack = client.ask(&json!({ "type": "resume", "calendars": all })).await.unwrap();
    let codes = |name: &str| ack["calendars"][name]["code"].as_str().unwrap_or("ok").to_owned();
    assert_eq!(codes("Work"), "already_in_calendar");
    assert_eq!(codes("Bob's"), "not_a_member");
    assert_eq!(codes("Nowhere"), "calendar_not_found");
    let both = BTreeSet::from([codes("Home"), codes("HOME")]);
    assert_eq!(both, BTreeSet::from(["ok".to_owned(), "already_in_calendar".to_owned()]));
    assert_eq!(client.until("joined").await["calendar_name"], "Home");
}
