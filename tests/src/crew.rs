//! People at work in one calendar: they read, create events, change one, and talk, until they are stopped.
//!
//! As good clients do, they repeat what had no definite answer, with the same key, through whichever gateway is
//! ready: so in the end everything in the ledger has an answer. What had to be repeated is no loss, but a failure;
//! those are kept too, because a rolling restart must have none.

mod rest;
mod talk;

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use futures::future::join_all;
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::Ledger,
    person::Person,
    wait::until_within,
    ways::{Traveller, Ways},
};

/// From one thing that somebody does to the next: a client that keeps to the limits, not a wait for anything.
const PACE: Duration = Duration::from_millis(100);
/// Characters of a failure: frames and problems are long.
const WORTH_READING: usize = 200;
/// Begun and ended since: the first may have been as good as over before.
const ANEW: usize = 2;

/// People who work until they are stopped.
#[derive(Debug)]
pub struct Crew {
    hands: Vec<(String, Arc<AtomicUsize>)>,
    failures: Arc<Failures>,
    stop: CancellationToken,
    work: Vec<JoinHandle<Result<()>>>,
}

/// What had no good answer at once, in order.
#[derive(Debug, Default)]
struct Failures(Mutex<Vec<String>>);

/// One thing that one person does again and again.
struct Hand {
    name: String,
    traveller: Traveller,
    calendar: String,
    ledger: Arc<Ledger>,
    /// How often it was done.
    done: Arc<AtomicUsize>,
    failures: Arc<Failures>,
    stop: CancellationToken,
}

// === impl Crew ===

impl Crew {
    /// Each of these people, the n-th by the n-th gateway, in this calendar of theirs.
    pub async fn start(people: &[Person], calendar: &str, ways: &Ways, ledger: &Arc<Ledger>) -> Result<Self> {
        let mut this = Self {
            hands: Vec::new(),
            failures: Arc::default(),
            stop: CancellationToken::new(),
            work: Vec::new(),
        };
        for (home, person) in people.iter().enumerate() {
            let mut hand = |kind: &str| {
                let (name, done) = (format!("{kind}-{}", person.name), Arc::<AtomicUsize>::default());
                this.hands.push((name.clone(), Arc::clone(&done)));
                Hand {
                    name,
                    traveller: ways.of(person, home),
                    calendar: calendar.to_owned(),
                    ledger: Arc::clone(ledger),
                    done,
                    failures: Arc::clone(&this.failures),
                    stop: this.stop.clone(),
                }
            };
            let notebook = person.create_event(calendar, "Notebook").await?.expect(201)?;
            let notebook = notebook.text_at("/event/event_id")?;
            let (read, again) = (hand("read"), hand("read-again"));
            let (create, edit, talk) = (hand("event"), hand("edit"), hand("message"));
            this.put_to_work(read.read(notebook.clone()));
            this.put_to_work(again.read(notebook.clone()));
            this.put_to_work(create.create());
            this.put_to_work(edit.edit(notebook));
            this.put_to_work(talk.talk());
        }
        Ok(this)
    }

    /// Waits until everybody has done something anew, from its beginning to its good answer.
    pub async fn goes_on(&self, limit: Duration) -> Result<()> {
        let counts = || self.hands.iter().map(|(_, done)| done.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = counts();
        let mut idle = Vec::new();
        let going = until_within(limit, "everybody at work", async || {
            let (now, hands) = (counts(), self.hands.iter());
            let counted = hands.zip(now.into_iter().zip(&before));
            idle =
                counted.filter(|(_, (now, then))| *now < *then + ANEW).map(|((name, _), _)| name).collect();
            idle.is_empty().then_some(())
        });
        going.await.with_context(|| format!("{idle:?} did not go on; {}", self.tail()))
    }

    /// What had no good answer at once so far.
    pub fn failures(&self) -> Vec<String> {
        self.failures.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets everybody finish what they are at.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        for ended in join_all(self.work).await {
            ended??;
        }
        Ok(())
    }

    fn put_to_work(&mut self, work: impl Future<Output = Result<()>> + Send + 'static) {
        let failures = Arc::clone(&self.failures);
        self.work.push(tokio::spawn(async move {
            work.await.inspect_err(|error| failures.add(format!("gave up: {error:#}")))
        }));
    }

    fn tail(&self) -> String {
        let failures = self.failures();
        let last = &failures[failures.len().saturating_sub(5)..];
        format!("{} failures, at last {last:#?}", failures.len())
    }
}

// === impl Hand ===

impl Hand {
    fn person(&self) -> Person {
        self.traveller.person()
    }

    /// The next thing to do; none when it is time to stop.
    async fn next(&self, n: &mut usize) -> Option<String> {
        let stopped = timeout(PACE, self.stop.cancelled()).await.is_ok();
        *n += 1;
        (!stopped).then(|| format!("{}-{n}", self.name))
    }

    fn done(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn failed(&self, how: impl fmt::Display) {
        let how: String = how.to_string().chars().take(WORTH_READING).collect();
        self.failures.add(format!("{}: {how}", self.name));
    }
}

// === impl Failures ===

impl Failures {
    fn add(&self, failure: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
    }
}
