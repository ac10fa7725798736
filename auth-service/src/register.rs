//! Registers an account.

use chassis::{
    failpoint::hit,
    fault::{Fault, Reason},
    idempotency::{Answered, Claim, IdempotencyKey, Who},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::{
    hashing::HashPool,
    model::{NewPassword, Username},
    store::Store,
};

/// Who may register: the setting `REGISTRATION`.
#[derive(Clone, Debug)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who knows the invitation code.
    Code(SecretString),
    /// Nobody.
    Closed,
}

/// An account that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Registered {
    pub(crate) account_id: Uuid,
    /// As it was spelt.
    pub(crate) username: String,
}

/// The use-case.
#[derive(Clone)]
pub(crate) struct Register {
    pub(crate) store: Store,
    pub(crate) hashes: HashPool,
    pub(crate) registration: Registration,
}

// === impl Registration ===

impl Registration {
    fn admit(&self, code: &str) -> Result<(), Fault> {
        match self {
            Self::Open => Ok(()),
            Self::Code(expected) if is_same(expected.expose_secret(), code) => Ok(()),
            Self::Code(_) => {
                Err(Fault::new(Reason::RegistrationClosed, "Registration needs the right invitation code"))
            }
            Self::Closed => Err(Fault::of(Reason::RegistrationClosed)),
        }
    }
}

/// Compares the digests: constant in time, whatever the lengths.
fn is_same(expected: &str, shown: &str) -> bool {
    Sha256::digest(expected).ct_eq(&Sha256::digest(shown)).into()
}

// === impl Register ===

impl Register {
    /// Adds the account, once for a key of this visitor's.
    ///
    /// `registration_closed`, `invalid` with every field at fault, `username_taken`,
    /// `idempotency_mismatch`, `idempotency_in_flight`.
    pub(crate) async fn run(
        &self,
        username: &str,
        password: &str,
        code: &str,
        (visitor, key): (Who<'_>, Option<&IdempotencyKey>),
    ) -> Result<Answered<Registered>, Fault> {
        self.registration.admit(code)?;
        let (name, secret) = check(username, password)?;
        let idempotency = self.store.idempotency();
        let claim = idempotency.claim(visitor, "register", key, &(username, password, code)).await?;
        // Before the hash: a repeat costs none.
        if let Some(first) = idempotency.first(claim.as_ref()).await? {
            return Ok(first);
        }
        let added = self.add(&name, &secret, claim.as_ref()).await;
        idempotency.settle(claim.as_ref(), &added).await;
        added
    }

    async fn add(
        &self,
        username: &Username,
        password: &NewPassword,
        claim: Option<&Claim>,
    ) -> Result<Answered<Registered>, Fault> {
        let password_hash = self.hashes.hash(password).await?;
        let account_id = Uuid::now_v7();
        let registered = Registered { account_id, username: username.as_str().to_owned() };
        if let Some(claim) = claim {
            let mut tx = self.store.begin().await?;
            if let Some(first) = tx.enter_claim(claim).await? {
                return Ok(first);
            }
            tx.add_account(account_id, username, &password_hash).await?;
            tx.keep_answer(claim, &registered).await?;
            tx.commit().await?;
        } else {
            self.store.add_account(account_id, username, &password_hash).await?;
        }
        hit("register.committed").await?;
        metrics::counter!("auth_registrations_total", "service" => "auth").increment(1);
        Ok(Answered::first(registered))
    }
}

fn check(username: &str, password: &str) -> Result<(Username, NewPassword), Fault> {
    match (Username::parse(username), NewPassword::parse("password", password)) {
        (Ok(username), Ok(password)) => Ok((username, password)),
        (username, password) => {
            let errors = username.err().into_iter().chain(password.err());
            Err(Fault::of(Reason::Invalid).with_fields(errors.collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_code_opens_a_registration_by_code() {
        let registration = Registration::Code("sesame".to_owned().into());
        assert_eq!(registration.admit("sesame"), Ok(()));
        for code in ["", "Sesame", "sesame ", "sesam"] {
            let fault = registration.admit(code).expect_err("the code is wrong");
            assert_eq!(fault.reason, Reason::RegistrationClosed);
        }
        assert_eq!(Registration::Open.admit("anything"), Ok(()));
        assert!(Registration::Closed.admit("sesame").is_err());
    }

    #[test]
    fn every_broken_field_is_named() {
        let fault = check("a b", "short").expect_err("both are wrong");
        let fields: Vec<_> = fault.fields.iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["username", "password"]);
    }
}
