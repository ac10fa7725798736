//! A repeat of a request that creates something gets the first answer.
//!
//! A client puts an `Idempotency-Key` on such a request and may then send it
//! again as often as it likes: after a time-out, a broken connection, a crash.
//! The service that owns the row keeps the answer beside it, in the same
//! transaction, so that one is there exactly when the other is. A use-case:
//!
//! 1. makes a [`Claim`] of who asks, the route, the key, and a keyed hash of
//!    the request (it may hold a password), and looks for the [first
//!    answer](Idempotency::first);
//! 2. in its transaction [enters](Claim::enter) the claim: whoever holds it at
//!    this moment is in flight, and nobody waits for them;
//! 3. [keeps](Claim::keep) its answer right before the commit; or, where the
//!    answer comes of a durable run such as a saga, [begins](Claim::begin) the
//!    claim with it and [ends](Claim::end) it where the run ends;
//! 4. [settles](Idempotency::settle) a refusal, which changed nothing, after it.
//!
//! Kept are definite answers only: success, and the refusals of
//! [`is_definite`]. Not kept are `invalid` (the next try may be right) and all
//! that may be otherwise in a moment: a repeat is tried anew. After 24 hours,
//! by the database's clock, a key is new again.
//!
//! Every service that keeps answers has the tables `idempotency` and
//! `idempotency_secret` (`migrations/*/*_idempotency.sql`); their statements
//! stand here, once, in [`slots`].
//!
//! Source: CONTRACTS, General; PROMISES, idempotency and rule 1.

mod claim;
mod slots;
pub mod wire;

use serde::{Deserialize, Serialize};

pub use self::{
    claim::{Claim, Who},
    slots::Idempotency,
};
use crate::fault::{Fault, FaultCode, FieldError, Reason};

/// Characters of a key.
const MAX_CHARACTERS: usize = 255;

/// The client's name for one request: 1 to 255 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// An answer, and whether it is the first one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// An earlier request was given it.
    pub replayed: bool,
}

/// A refusal as it is kept.
#[derive(Serialize, Deserialize)]
struct Refusal {
    code: String,
    detail: String,
    fields: Vec<(String, String)>,
    names: Vec<String>,
}

/// Whether a repeat gets this refusal again: it says how things are, not how
/// the moment is.
pub const fn is_definite(fault: &Fault) -> bool {
    let says_how_things_are =
        matches!(fault.code(), FaultCode::Forbidden | FaultCode::NotFound | FaultCode::Conflict);
    says_how_things_are && !is_about_the_key(fault)
}

/// Whether it speaks of an earlier request with the same key: nothing of this
/// one was done.
pub const fn is_about_the_key(fault: &Fault) -> bool {
    fault.replayed || matches!(fault.reason, Reason::IdempotencyInFlight | Reason::IdempotencyMismatch)
}

// === impl IdempotencyKey ===

impl IdempotencyKey {
    /// What a key that is refused is told.
    pub const RULE: &str = "must have 1 to 255 visible ASCII characters";

    /// Reads a key; what is around it counts for nothing.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if text.is_empty() || text.len() > MAX_CHARACTERS || !text.bytes().all(is_visible) {
            return Err(Self::RULE);
        }
        Ok(Self(text.to_owned()))
    }

    /// As the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl Answered ===

impl<T> Answered<T> {
    /// The first answer.
    pub const fn first(answer: T) -> Self {
        Self { answer, replayed: false }
    }

    /// The first answer again.
    pub const fn again(answer: T) -> Self {
        Self { answer, replayed: true }
    }

    /// The same, said in other words.
    pub fn map<U>(self, words: impl FnOnce(T) -> U) -> Answered<U> {
        Answered { answer: words(self.answer), replayed: self.replayed }
    }
}

// === impl Refusal ===

impl From<&Fault> for Refusal {
    fn from(fault: &Fault) -> Self {
        Self {
            code: fault.reason.as_str().to_owned(),
            detail: fault.detail.clone(),
            fields: fault.fields.iter().map(|error| (error.field.clone(), error.message.clone())).collect(),
            names: fault.names.clone(),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        // A code that this version does not know any more.
        let Some(reason) = Reason::parse(&refusal.code) else { return Self::of(Reason::Internal) };
        let fields = refusal.fields.into_iter().map(|(field, message)| FieldError { field, message });
        Self::new(reason, refusal.detail).with_fields(fields.collect()).with_names(refusal.names).as_replay()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_1_to_255_visible_characters() {
        let longest = "k".repeat(255);
        for (text, key) in
            [("a", "a"), (" a b\t", "a b"), ("\"8e03978e\"", "\"8e03978e\""), (&longest, &longest)]
        {
            assert_eq!(IdempotencyKey::parse(text).map(|key| key.0).as_deref(), Ok(key));
        }
        for text in ["", "  ", "a\tb", "a\0", "ä", &"k".repeat(256)] {
            assert_eq!(IdempotencyKey::parse(text), Err(IdempotencyKey::RULE), "{text:?}");
        }
    }

    #[test]
    fn only_definite_refusals_are_kept() {
        for (reason, kept) in [
            (Reason::CalendarNameTaken, true),
            (Reason::NotAMember, true),
            (Reason::ReadOnly, true),
            (Reason::ParticipantUnknown, true),
            (Reason::Invalid, false),
            (Reason::Unauthenticated, false),
            (Reason::RateLimited, false),
            (Reason::Unavailable, false),
            (Reason::DeadlineExceeded, false),
            (Reason::Internal, false),
            (Reason::IdempotencyInFlight, false),
            (Reason::IdempotencyMismatch, false),
        ] {
            assert_eq!(is_definite(&Fault::of(reason)), kept, "{reason:?}");
        }
        assert!(!is_definite(&Fault::of(Reason::NotAMember).as_replay()), "it is kept already");
    }

    #[test]
    fn a_refusal_comes_back_as_it_was() {
        let fault = Fault::new(Reason::ParticipantUnknown, "no such member: eve")
            .with_field("participants", "eve")
            .with_names(vec!["eve".to_owned()]);
        let kept = serde_json::to_string(&Refusal::from(&fault)).expect("JSON");
        let again: Refusal = serde_json::from_str(&kept).expect("JSON");
        assert_eq!(Fault::from(again), fault.as_replay());
    }
}
