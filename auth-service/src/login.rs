//! Logs in: the guessing limit, then the hash, then the session, then the token.

use std::time::Duration;

use chassis::fault::{Fault, Reason};
use jiff::Timestamp;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{
    hashing::HashPool,
    model::{ClientAddress, Password, UserAgent, UsernameKey},
    signing::ring::{Grant, KeyRing},
    store::{GuessLimit, NewSession, Store, Tried},
};

/// Names that nobody has share this many buckets of the guessing limit.
const NOBODY_BUCKETS: u64 = 65_536;

/// Bounds of what a login leaves behind.
#[derive(Clone, Copy, Debug)]
pub struct LoginLimits {
    /// How long a session lives.
    pub session_ttl: Duration,
    /// Sessions an account may have; the oldest is ended for a newer one.
    pub sessions_per_account: u32,
    /// Failures by unknown clients.
    pub guesses: GuessLimit,
}

/// The use-case.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) store: Store,
    pub(crate) hashes: HashPool,
    pub(crate) ring: KeyRing,
    pub(crate) limits: LoginLimits,
}

/// A try, as it came.
pub(crate) struct Attempt {
    pub(crate) username: String,
    pub(crate) password: Password,
    pub(crate) user_agent: UserAgent,
    pub(crate) client: Option<ClientAddress>,
}

/// A try that succeeded.
pub(crate) struct LoggedIn {
    pub(crate) token: SecretString,
    /// As it was spelt at registration.
    pub(crate) username: String,
    pub(crate) session_id: Uuid,
    pub(crate) expires_at: Timestamp,
}

// === impl Login ===

impl Login {
    /// Opens a session for whoever knows the password.
    ///
    /// `invalid_credentials` for an unknown name and a wrong password alike, in
    /// words and in cost; `rate_limited` for unknown clients of an account that
    /// is being guessed at, whether or not it exists.
    pub(crate) async fn run(&self, attempt: &Attempt) -> Result<LoggedIn, Fault> {
        let outcome = self.attempt(attempt).await;
        let label = match &outcome {
            Ok(_) => "success",
            Err(fault) => fault.reason.as_str(),
        };
        metrics::counter!("auth_logins_total", "service" => "auth", "outcome" => label).increment(1);
        outcome
    }

    async fn attempt(&self, attempt: &Attempt) -> Result<LoggedIn, Fault> {
        // A session that nobody gets a token for would only lie about.
        self.ring.ensure_ready()?;
        let limits = &self.limits;
        let (name, nobody) = (UsernameKey::of(&attempt.username), nobody(&attempt.username));
        let client = attempt.client.as_ref();
        let candidate = match self.store.try_login(&name, nobody, client, limits.guesses).await? {
            Tried::Admitted(candidate) => candidate,
            Tried::Slowed(wait) => return Err(slowed(wait)),
        };
        let stored = candidate.credentials.as_ref().map(|known| known.password_hash.as_str());
        let matches = self.hashes.verify(&attempt.password, stored).await?;
        let (Some(account), true) = (candidate.credentials, matches) else {
            if let Some(subject) = candidate.counts_against {
                self.store.count_guess(subject, limits.guesses).await?;
            }
            return Err(Fault::of(Reason::InvalidCredentials));
        };
        let new = NewSession {
            session_id: Uuid::now_v7(),
            user_agent: &attempt.user_agent,
            client,
            remember: candidate.remember,
            ttl: limits.session_ttl,
            per_account: limits.sessions_per_account,
        };
        // `None`: removed, or given another password, since the look-up.
        let opened = self.store.open_session(&account, &new).await?;
        let session = opened.ok_or_else(|| Fault::of(Reason::InvalidCredentials))?;
        let token = self.ring.sign(&Grant {
            account_id: account.account_id,
            username: &account.username,
            session_id: session.session_id,
            issued_at: session.created_at,
            expires_at: session.expires_at,
        })?;
        Ok(LoggedIn {
            token,
            username: account.username,
            session_id: session.session_id,
            expires_at: session.expires_at,
        })
    }
}

fn slowed(wait: Duration) -> Fault {
    let detail = "Too many failed logins for this account from addresses it does not know";
    // Whole seconds, rounded up: that is what the header can say.
    let wait = Duration::from_secs(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
    Fault::new(Reason::RateLimited, detail).with_retry_after(wait)
}

/// The bucket that counts when no account has the name. Real ids are UUIDv7,
/// so the two kinds never meet.
fn nobody(username: &str) -> Uuid {
    let digest = Sha256::digest(username.to_lowercase());
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Uuid::from_u64_pair(0, number % NOBODY_BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_has_share_bounded_buckets() {
        assert_eq!(nobody("Nobody"), nobody("nobody"));
        assert_ne!(nobody("nobody"), nobody("somebody"));
        assert!(nobody("x").as_u128() < u128::from(NOBODY_BUCKETS));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_rounded_up() {
        let told = |millis| slowed(Duration::from_millis(millis)).retry_after;
        assert_eq!(told(1), Some(Duration::from_secs(1)));
        assert_eq!(told(2000), Some(Duration::from_secs(2)));
        assert_eq!(told(2001), Some(Duration::from_secs(3)));
    }
}
