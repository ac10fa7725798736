//! proto ⇄ domain, nothing else: one file a gRPC service.

pub(crate) mod accounts;
pub(crate) mod directory;
pub(crate) mod participants;
pub(crate) mod sessions;

use proto::auth::v1::EndedSessions;
use uuid::Uuid;

/// The answer of everything that ends sessions.
fn ended(session_ids: &[Uuid]) -> EndedSessions {
    EndedSessions { session_ids: session_ids.iter().map(Uuid::to_string).collect() }
}
