//! Ten thousand launches and what followed, told in any order, more than once,
//! to an engine that is killed five times; in the end an oracle has the word.

use std::{sync::Arc, time::Duration};

use activity_service::{
    MIGRATOR,
    model::{Event, Instant},
    rules::{Firing, Rule, RuleSettings, Rules, Watch, kind},
};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    notifier::Mood,
    oracle::{Happened, Told, What, difference, expected},
    world::{World, eventually},
};

/// Each with its own restart.
const CHAPTERS: u32 = 5;
const DEVICES: u32 = 50;
const LAUNCHES: u32 = 2000;
/// Longer than a chapter of one device.
const CHAPTER: Duration = Duration::from_hours(40);

/// Events that have to arrive together, because without the others one of them
/// would mean something else; most are alone.
type Group = Vec<Happened>;

/// One chapter, by chance.
struct Teller {
    rng: StdRng,
    now: Instant,
    programme: u32,
    groups: Vec<Group>,
}

impl Teller {
    fn happened(device: u32, at: Instant, what: What) -> Happened {
        Happened { device, at, what, too_old: false }
    }

    /// Launches of one device, one after the other.
    fn device(&mut self, device: u32, launches: u32) {
        let mut at = self.now.plus(60);
        let mut is_behind = false;
        for _ in 0..launches {
            at = at.plus(self.rng.random_range(0..3000));
            match self.rng.random_range(0..20) {
                // Ten to fifty-five minutes ago: due at once, so with what followed.
                // Once: another's start would come in another batch, and too late.
                0 if !is_behind => {
                    is_behind = true;
                    let launch = self.now.plus(-self.rng.random_range(660..3300));
                    let mut group = vec![Self::happened(device, launch, What::Launched)];
                    if self.rng.random() {
                        self.programme += 1;
                        let start = launch.plus(self.rng.random_range(0..620));
                        group.push(Self::happened(device, start, What::Started(self.programme)));
                    }
                    self.groups.push(group);
                }
                1 => {
                    let launch = self.now.plus(-self.rng.random_range(3700..7000));
                    let launch = Self::happened(device, launch, What::Launched);
                    self.groups.push(vec![Happened { too_old: true, ..launch }]);
                }
                _ => {
                    self.groups.push(vec![Self::happened(device, at, What::Launched)]);
                    self.training(device, at);
                }
            }
        }
    }

    /// What may follow a launch.
    fn training(&mut self, device: u32, launch: Instant) {
        if self.rng.random_ratio(2, 5) {
            return;
        }
        self.programme += 1;
        let programme = self.programme;
        let after = *[0, 1, 599, 600, 601, 700, self.rng.random_range(0..900)].choose(&mut self.rng);
        let start = launch.plus(after);
        let length = *[1799, 1800, 1801, 1859, 1860, self.rng.random_range(60..6000)].choose(&mut self.rng);
        let end = start.plus(length);
        let started = Self::happened(device, start, What::Started(programme));
        let finished = Self::happened(device, end, What::Finished(programme));
        let cancelled = Self::happened(device, start.plus(length / 2), What::Cancelled(programme));
        match self.rng.random_range(0..10) {
            0 => self.groups.push(vec![started]),
            1 => self.groups.extend([vec![started], vec![cancelled]]),
            2 => self.groups.push(vec![started, cancelled, finished]),
            3 => {
                let again = Self::happened(device, start.plus(length / 3), What::Started(programme));
                self.groups.push(vec![started, finished, again]);
            }
            _ => self.groups.extend([vec![started], vec![finished]]),
        }
    }
}

/// A choice out of a small array.
trait Choose<T> {
    fn choose(&self, rng: &mut StdRng) -> &T;
}

impl<T, const N: usize> Choose<T> for [T; N] {
    fn choose(&self, rng: &mut StdRng) -> &T {
        &self[rng.random_range(0..N)]
    }
}

/// An event as a client may send it: either shape, with an id or without.
fn written(happened: &Happened, rng: &mut StdRng) -> Value {
    let (original, improved, programme) = match happened.what {
        What::Launched => ("app_launch", "APP_LAUNCHED", None),
        What::Started(programme) => ("training_program_started", "TRAINING_PROGRAM_STARTED", Some(programme)),
        What::Finished(programme) => {
            ("training_program_finished", "TRAINING_PROGRAM_FINISHED", Some(programme))
        }
        What::Cancelled(programme) => {
            ("training_program_cancelled", "TRAINING_PROGRAM_CANCELLED", Some(programme))
        }
    };
    let device = format!("device-{}", happened.device);
    let programme = programme.map(|programme| programme.to_string());
    let at = happened.at.to_string();
    let mut event = if rng.random() {
        json!({ "deviceId": device, "type": improved, "timestamp": at, "details": { "programId": programme } })
    } else {
        let at = at.trim_end_matches('Z').replace('T', " ");
        json!({ "device_id": device, "type": original, "time_stamp": at, "training_program_id": programme })
    };
    if rng.random_ratio(3, 4) {
        event["id"] = json!(format!("{}-{at}-{:?}", happened.device, happened.what));
    }
    event
}

/// Groups in any order, a fifth of them twice, cut into batches.
fn batches(groups: &[Group], rng: &mut StdRng) -> Vec<Vec<Value>> {
    let twice: Vec<_> = groups.iter().filter(|_| rng.random_ratio(1, 5)).collect();
    let mut order: Vec<&Group> = groups.iter().chain(twice).collect();
    order.shuffle(rng);
    let mut batches = Vec::new();
    while !order.is_empty() {
        let size = rng.random_range(1..150).min(order.len());
        let mut batch: Vec<_> = order.drain(..size).flatten().collect();
        batch.shuffle(rng);
        batches.push(batch.into_iter().map(|happened| written(happened, rng)).collect());
    }
    batches
}

/// What was heard, each notification once.
fn heard(world: &World) -> Told {
    let mut told = Told::new();
    for heard in world.notifier.heard() {
        let device = heard.device_id.strip_prefix("device-").unwrap().parse().unwrap();
        *told.entry((device, heard.message)).or_default() += 1;
    }
    told
}

/// Plays some chapters; answers what should be told, what was, and how often
/// the engine was killed while it had work.
async fn play(world: &World, seed: u64, chapters: u32, launches: u32) -> (Told, Told, u32) {
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut history = Vec::new();
    let mut busy = 0;
    let mut engine = Some(world.engine());
    for chapter in 0..chapters {
        let now = world.now().await;
        let rng_of_chapter = StdRng::from_rng(&mut rng);
        let mut teller =
            Teller { rng: rng_of_chapter, now, programme: chapter * 1_000_000, groups: Vec::new() };
        for device in 0..DEVICES {
            teller.device(device, launches / DEVICES);
        }
        let batches = batches(&teller.groups, &mut rng);
        history.extend(teller.groups.into_iter().flatten());
        let killed_at = rng.random_range(0..batches.len());
        for (place, batch) in batches.iter().enumerate() {
            if place == killed_at {
                // In the midst of its work; the next one has to wait for the leases.
                drop(engine.take());
                busy += u32::from(world.unfinished().await > 0);
            }
            if place == killed_at + 3 {
                engine = Some(world.engine());
            }
            world.send(batch).await;
        }
        // Everything has arrived, not all of it was seen, and it is late.
        world.advance(CHAPTER / 2).await;
        tokio::task::yield_now().await;
        world.advance(CHAPTER / 2).await;
        engine.get_or_insert_with(|| world.engine());
        eventually("the chapter ends", async || {
            world.advance(Duration::from_secs(1)).await;
            world.unfinished().await == 0
        })
        .await;
        world.advance(Duration::from_hours(3)).await;
    }
    drop(engine);
    (expected(&history), heard(world), busy)
}

fn seed() -> u64 {
    std::env::var("STORY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random)
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn ten_thousand_launches_and_five_restarts_equal_the_oracle(pool: PgPool) {
    let world = World::new(pool).await;
    let (expected, heard, busy) = play(&world, seed(), CHAPTERS, LAUNCHES).await;
    assert!(busy > 0, "a kill has to hit a busy engine");
    let total: i64 = expected.values().sum();
    assert!(total > 3000, "enough is told: {total}");
    assert_eq!(difference(&expected, &heard), (0, 0), "lost and unexpected of {total}");
}

/// A rule that goes by arrival: what came before is all it knows. Its window is
/// too short to see a start that came in time.
struct Hasty;

struct LastLaunch(Vec<Instant>);

impl Rule for Hasty {
    fn name(&self) -> &'static str {
        "launch"
    }

    fn types(&self) -> &'static [&'static str] {
        &[kind::APP_LAUNCHED, kind::TRAINING_STARTED]
    }

    fn reach(&self) -> i64 {
        0
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(LastLaunch(Vec::new()))
    }
}

impl Watch for LastLaunch {
    fn see(&mut self, event: &Event) {
        if event.kind == kind::APP_LAUNCHED {
            self.0.push(event.at);
        } else {
            self.0.retain(|launch| launch.plus(600) < event.at);
        }
    }

    fn firings(self: Box<Self>) -> Vec<Firing> {
        let firing = |at: Instant| Firing {
            about: String::new(),
            from: at,
            to: at,
            due: Some(at.plus(600)),
            message: "Time to start your training!".to_owned(),
        };
        self.0.into_iter().map(firing).collect()
    }
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_oracle_notices_a_rule_that_goes_by_arrival(pool: PgPool) {
    let mut list = RuleSettings::default().list();
    list.retain(|rule| rule.name() != "launch");
    list.push(Arc::new(Hasty));
    let world = World::with_rules(pool, Rules::new(list)).await;
    let (expected, heard, _) = play(&world, seed(), 1, 500).await;
    let (lost, unexpected) = difference(&expected, &heard);
    assert!(lost + unexpected > 0, "the control has to go red");
}

#[sqlx::test(migrator = "MIGRATOR")]
async fn the_oracle_notices_a_receiver_that_loses_some(pool: PgPool) {
    let world = World::new(pool).await;
    world.notifier.mood(Mood::Lying);
    let (expected, heard, _) = play(&world, seed(), 1, 100).await;
    assert!(difference(&expected, &heard).0 > 0, "the control has to go red");
}
