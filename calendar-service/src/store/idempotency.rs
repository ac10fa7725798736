//! `idempotency`, as part of a transaction; its statements are chassis'.

use chassis::{
    fault::Fault,
    idempotency::{Answered, Claim},
};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::Tx;

impl Tx {
    /// Enters a claim; see [`Claim::enter`].
    pub async fn enter_claim<T: DeserializeOwned>(
        &mut self,
        claim: &Claim,
    ) -> Result<Option<Answered<T>>, Fault> {
        claim.enter(&mut self.inner).await
    }

    /// Keeps the answer; see [`Claim::keep`].
    pub async fn keep_answer(&mut self, claim: &Claim, answer: &impl Serialize) -> Result<(), Fault> {
        claim.keep(&mut self.inner, answer).await
    }

    /// A saga will answer; see [`Claim::begin`].
    pub async fn begin_claim(&mut self, claim: &Claim, saga_id: Uuid) -> Result<(), Fault> {
        claim.begin(&mut self.inner, saga_id).await
    }

    /// The saga's answer; see [`Claim::end`].
    pub async fn end_claim(
        &mut self,
        claim: &Claim,
        saga_id: Uuid,
        answer: &impl Serialize,
    ) -> Result<(), Fault> {
        claim.end(&mut self.inner, saga_id, answer).await
    }
}
