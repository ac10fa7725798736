//! Registers an account.

use chassis::fault::{Fault, Reason};
use secrecy::{ExposeSecret as _, SecretString};
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
    /// Adds the account; answers its id and its name as it was spelt.
    ///
    /// `registration_closed`, `invalid` with every field at fault, `username_taken`.
    pub(crate) async fn run(
        &self,
        username: &str,
        password: &str,
        code: &str,
    ) -> Result<(Uuid, Username), Fault> {
        self.registration.admit(code)?;
        let (username, password) = check(username, password)?;
        let password_hash = self.hashes.hash(&password).await?;
        let account_id = Uuid::now_v7();
        self.store.add_account(account_id, &username, &password_hash).await?;
        metrics::counter!("auth_registrations_total", "service" => "auth").increment(1);
        Ok((account_id, username))
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
