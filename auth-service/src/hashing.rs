//! Password hashes on a bounded pool.
//!
//! A hash costs about 12 ms of one core and 19 MiB of memory (argon2id,
//! m=19456 t=2 p=1; PROMISES, rule 14), so only a few run at a time, a bounded
//! queue waits, and the rest is refused at once. Each place carries its memory
//! with it: the pages are faulted in once, not at every hash.

mod phc;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argon2::Block;
use chassis::fault::Fault;
use rand::RngCore as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use self::phc::StoredHash;
use crate::model::{NewPassword, Password};

/// When a refused caller may come back: the queue is worked off by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Runs hashes. Clones share one pool.
#[derive(Clone)]
pub(crate) struct HashPool {
    /// Places in the queue, those that run included.
    admitted: Arc<Semaphore>,
    /// Places to run.
    running: Arc<Semaphore>,
    memory: Arc<Mutex<VecDeque<Vec<Block>>>>,
    /// What a password is compared with where there is no account.
    nobody: Arc<StoredHash>,
}

/// A place in the pool. Held by the work itself, not by who waits for it: a
/// dropped request neither leaks it nor gives it back too early.
struct Place {
    _admitted: OwnedSemaphorePermit,
    _running: OwnedSemaphorePermit,
    memory: Arc<Mutex<VecDeque<Vec<Block>>>>,
}

// === impl HashPool ===

impl HashPool {
    /// A pool that runs `threads` hashes at a time and lets `queue` more wait.
    pub(crate) fn new(threads: u32, queue: u32) -> Self {
        let (threads, queue) = (threads.max(1) as usize, queue as usize);
        Self {
            admitted: Arc::new(Semaphore::new(threads + queue)),
            running: Arc::new(Semaphore::new(threads)),
            memory: Arc::default(),
            nobody: Arc::new(StoredHash::unmatched(&random())),
        }
    }

    /// The PHC string of a new password.
    pub(crate) async fn hash(&self, password: &NewPassword) -> Result<String, Fault> {
        let password = password.as_password().clone();
        self.run(move |memory| StoredHash::compute(&password, &random(), memory).to_string()).await
    }

    /// Whether the password matches the PHC string; without one, the same work
    /// is done and the answer is no.
    pub(crate) async fn verify(&self, password: &Password, stored: Option<&str>) -> Result<bool, Fault> {
        let known = match stored {
            Some(text) => Arc::new(StoredHash::parse(text).map_err(|error| Fault::internal(&error))?),
            None => Arc::clone(&self.nobody),
        };
        let password = password.clone();
        let matches = self.run(move |memory| known.matches(&password, memory)).await?;
        Ok(matches && stored.is_some())
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let place = self.place().await?;
        let done = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let mut memory = place.take_memory();
            let done = work(&mut memory);
            place.put_memory(memory);
            drop(place);
            metrics::histogram!("auth_hash_seconds", "service" => "auth").record(started.elapsed());
            done
        });
        done.await.map_err(|error| Fault::internal(&error))
    }

    /// A place, after those who came before; refused where the queue is full.
    async fn place(&self) -> Result<Place, Fault> {
        let Ok(admitted) = Arc::clone(&self.admitted).try_acquire_owned() else {
            metrics::counter!("auth_hash_refused_total", "service" => "auth").increment(1);
            return Err(Fault::unavailable("the password check").with_retry_after(RETRY_AFTER));
        };
        let waiting = Waiting::new();
        let closed = |_| Fault::unavailable("the password check");
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(closed)?;
        drop(waiting);
        Ok(Place { _admitted: admitted, _running: running, memory: Arc::clone(&self.memory) })
    }
}

// === impl Place ===

impl Place {
    fn take_memory(&self) -> Vec<Block> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or_default()
    }

    fn put_memory(&self, memory: Vec<Block>) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push_back(memory);
    }
}

/// One waiter in the gauge, for as long as the value lives.
struct Waiting;

impl Waiting {
    fn new() -> Self {
        metrics::gauge!("auth_hash_queue", "service" => "auth").increment(1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!("auth_hash_queue", "service" => "auth").decrement(1);
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
impl HashPool {
    /// Places that have run a hash.
    pub(crate) fn warm_places(&self) -> usize {
        self.memory.lock().expect("not poisoned").len()
    }

    /// Leaves no place to anybody else.
    pub(crate) async fn take_all_places(&self) -> OwnedSemaphorePermit {
        let places = self.admitted.available_permits() as u32;
        Arc::clone(&self.admitted).acquire_many_owned(places).await.expect("open")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_password(text: &str) -> NewPassword {
        NewPassword::parse("password", text).expect("a good password")
    }

    #[tokio::test]
    async fn a_hash_matches_its_password_and_no_other() {
        let pool = HashPool::new(2, 64);
        let stored = pool.hash(&new_password("correct horse")).await.expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert_ne!(pool.hash(&new_password("correct horse")).await.expect("hashed"), stored, "no salt");
        let right = Password::claimed("correct horse");
        assert_eq!(pool.verify(&right, Some(&stored)).await, Ok(true));
        assert_eq!(pool.verify(&Password::claimed("correct horsf"), Some(&stored)).await, Ok(false));
        assert_eq!(pool.verify(&Password::claimed(""), Some(&stored)).await, Ok(false));
        assert_eq!(pool.verify(&right, None).await, Ok(false));
    }

    /// The promise of the queue: 2 run, 64 wait, the rest is refused at once.
    #[tokio::test]
    async fn what_exceeds_the_queue_is_refused_and_nothing_else() {
        let pool = HashPool::new(2, 64);
        let stored: Arc<str> = pool.hash(&new_password("correct horse")).await.expect("hashed").into();
        let tries: Vec<_> = (0..100)
            .map(|_| {
                let (pool, stored) = (pool.clone(), Arc::clone(&stored));
                tokio::spawn(async move { pool.verify(&Password::claimed("x"), Some(&stored)).await })
            })
            .collect();
        let mut refused = 0;
        for one in tries {
            match one.await.expect("no panic") {
                Ok(matches) => assert!(!matches),
                Err(fault) => {
                    assert_eq!(fault.reason, chassis::fault::Reason::Unavailable);
                    assert_eq!(fault.retry_after, Some(RETRY_AFTER));
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 100 - 66);
        assert!(pool.warm_places() <= 2, "more than two ran at a time");
    }

    #[tokio::test]
    async fn dropped_requests_give_their_places_back() {
        let pool = HashPool::new(2, 8);
        for _ in 0..20 {
            let tries: Vec<_> = (0..10)
                .map(|_| {
                    let pool = pool.clone();
                    tokio::spawn(async move { pool.verify(&Password::claimed("x"), None).await })
                })
                .collect();
            tokio::task::yield_now().await;
            for one in tries {
                one.abort();
            }
        }
        // Those that were running finish; then every place is free again.
        let all = async { (pool.admitted.acquire_many(10).await, pool.running.acquire_many(2).await) };
        assert!(tokio::time::timeout(Duration::from_secs(20), all).await.is_ok(), "places leaked");
    }
}
