//! Calendar passwords: argon2id, one hash at a time, off the async threads.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version,
    password_hash::phc::PasswordHash,
};
use chassis::fault::{Fault, Reason};
use rand::RngCore as _;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Hashes at once (PROMISES, rule 14): 19 MiB and a core each.
const AT_ONCE: usize = 1;
/// Hashes that wait for their turn; about a second's worth.
const WAITING: usize = 64;
// The cost of a hash (PROMISES, rule 14).
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes and verifies; clones share the bound.
#[derive(Clone, Debug)]
pub struct Passwords {
    turn: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

// === impl Passwords ===

impl Passwords {
    /// With the bounds above.
    pub fn new() -> Self {
        Self { turn: Arc::new(Semaphore::new(AT_ONCE)), queue: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }

    /// The PHC string of a password. `unavailable` when too many wait.
    pub async fn hash(&self, password: String) -> Result<String, Fault> {
        self.run(move || {
            let mut salt = [0_u8; 16];
            rand::rng().fill_bytes(&mut salt);
            argon2()?.hash_password_with_salt(password.as_bytes(), &salt).map(|hash| hash.to_string())
        })
        .await?
        .map_err(|error| Fault::internal(&error))
    }

    /// Whether this is the password of that PHC string. `unavailable` when too
    /// many wait.
    pub async fn verify(&self, password: String, phc: String) -> Result<bool, Fault> {
        let verified = self.run(move || {
            let hash = PasswordHash::new(&phc)?;
            argon2()?.verify_password(password.as_bytes(), &hash)
        });
        match verified.await? {
            Ok(()) => Ok(true),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(Fault::internal(&error)),
        }
    }

    /// Runs one hash when it is its turn. A caller that goes away gives up its
    /// place; a hash that runs keeps the turn until it is done.
    async fn run<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let place = Arc::clone(&self.queue).try_acquire_owned();
        let place: OwnedSemaphorePermit = place.map_err(|_| {
            metrics::counter!("password_hashes_refused_total", "service" => "calendar").increment(1);
            Fault::unavailable("the password check")
        })?;
        let waiting = Waiting::new();
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        drop(waiting);
        let turn = turn.map_err(|_| Fault::of(Reason::Internal))?;
        let done = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let done = hash();
            drop((turn, place));
            metrics::histogram!("password_hash_seconds", "service" => "calendar").record(started.elapsed());
            done
        });
        done.await.map_err(|error| Fault::internal(&error))
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// One waiter in the gauge, for as long as the value lives.
struct Waiting;

impl Waiting {
    fn new() -> Self {
        metrics::gauge!("password_hashes_waiting", "service" => "calendar").increment(1);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!("password_hashes_waiting", "service" => "calendar").decrement(1);
    }
}

fn argon2() -> argon2::password_hash::Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_verifies() {
        let passwords = Passwords::new();
        let phc = passwords.hash("geheim".to_owned()).await.unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{phc}");
        assert_eq!(passwords.verify("geheim".to_owned(), phc.clone()).await, Ok(true));
        assert_eq!(passwords.verify("Geheim".to_owned(), phc).await, Ok(false));
        assert!(passwords.verify("x".to_owned(), "no phc".to_owned()).await.is_err());
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_is_refused_at_once() {
        let passwords = Passwords::new();
        let all = Arc::clone(&passwords.queue).acquire_many_owned((AT_ONCE + WAITING) as u32).await.unwrap();
        assert_eq!(passwords.hash("x".to_owned()).await.unwrap_err().reason, Reason::Unavailable);
        drop(all);
        assert!(passwords.hash("x".to_owned()).await.is_ok());
    }
}
