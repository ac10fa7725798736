//! Table `idempotency`, as part of a transaction; its statements are chassis'.

use chassis::{
    fault::Fault,
    idempotency::{Answered, Claim},
};
use serde::{Serialize, de::DeserializeOwned};

use super::Tx;

impl Tx {
    /// Enters a claim; see [`Claim::enter`].
    pub(crate) async fn enter_claim<T: DeserializeOwned>(
        &mut self,
        claim: &Claim,
    ) -> Result<Option<Answered<T>>, Fault> {
        claim.enter(&mut self.inner).await
    }

    /// Keeps the answer; see [`Claim::keep`].
    pub(crate) async fn keep_answer(&mut self, claim: &Claim, answer: &impl Serialize) -> Result<(), Fault> {
        claim.keep(&mut self.inner, answer).await
    }
}
