//! Keys and replays in gRPC metadata.

use std::future::Future;

use tonic::{
    Response, Status,
    metadata::{MetadataMap, MetadataValue},
};

use super::{Answered, IdempotencyKey, Who};
use crate::{fault::Fault, rpc::answer};

/// The header, and the metadata key, of the client's key.
pub const KEY: &str = "idempotency-key";
/// Metadata key with which the gateway tells visitors without a login apart.
pub const VISITOR: &str = "idempotency-visitor";
/// The header, and the metadata key, of an answer that was given before.
pub const REPLAYED: &str = "idempotent-replayed";

/// The client's key, if it gave one; `invalid` when it is none.
pub fn key(metadata: &MetadataMap) -> Result<Option<IdempotencyKey>, Fault> {
    let Some(value) = metadata.get(KEY) else { return Ok(None) };
    let text = value.to_str().map_err(|_| IdempotencyKey::RULE);
    let key = text.and_then(IdempotencyKey::parse);
    key.map(Some).map_err(|rule| Fault::invalid("Idempotency-Key", rule))
}

/// Who asks without a login.
pub fn visitor(metadata: &MetadataMap) -> Who<'_> {
    let visitor = metadata.get(VISITOR).and_then(|value| value.to_str().ok());
    Who::Visitor(visitor.unwrap_or_default())
}

/// Runs a handler as [`answer`] does, and says when its answer was given before.
pub async fn answer_once<T>(
    handler: impl Future<Output = Result<Answered<T>, Fault>>,
) -> Result<Response<T>, Status> {
    let Answered { answer, replayed } = answer(handler).await?.into_inner();
    let mut response = Response::new(answer);
    if replayed {
        response.metadata_mut().insert(REPLAYED, MetadataValue::from_static("true"));
    }
    Ok(response)
}

/// Whether a service said so.
pub fn was_replayed(metadata: &MetadataMap) -> bool {
    metadata.contains_key(REPLAYED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Reason;

    #[test]
    fn a_key_that_is_none_names_the_header() {
        let mut metadata = MetadataMap::new();
        assert_eq!(key(&metadata), Ok(None));
        metadata.insert(KEY, "a".parse().expect("ASCII"));
        assert_eq!(key(&metadata), Ok(IdempotencyKey::parse("a").ok()));
        metadata.insert(KEY, " ".parse().expect("ASCII"));
        let fault = key(&metadata).expect_err("nothing in it");
        assert_eq!((fault.reason, fault.fields[0].field.as_str()), (Reason::Invalid, "Idempotency-Key"));
    }

    #[tokio::test]
    async fn a_replay_is_marked() {
        for (answered, marked) in [(Answered::first(1), false), (Answered::again(1), true)] {
            let response = answer_once(async { Ok(answered) }).await.expect("an answer");
            assert_eq!(was_replayed(response.metadata()), marked);
        }
    }
}
