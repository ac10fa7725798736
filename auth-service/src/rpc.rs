//! proto ⇄ domain, nothing else: one file a gRPC service.

pub(crate) mod accounts;
pub(crate) mod directory;
pub(crate) mod participants;
pub(crate) mod sessions;

use chassis::rpc::Callers;
use proto::auth::v1::EndedSessions;
use uuid::Uuid;

/// Who may call what, where services show certificates.
pub(crate) const CALLERS: Callers = &[
    ("auth.v1.AuthService/Jwks", &["gateway", "calendar", "notification", "activity"]),
    ("auth.v1.AuthService", &["gateway"]),
    ("auth.v1.SessionService/RedeemTicket", &["gateway"]),
    ("auth.v1.SessionService/CheckSessions", &["calendar"]),
    ("auth.v1.SessionService", &["gateway", "calendar"]),
    ("auth.v1.DirectoryService", &["gateway"]),
    ("auth.v1.ParticipantService", &["calendar"]),
];

/// The answer of everything that ends sessions.
fn ended(session_ids: &[Uuid]) -> EndedSessions {
    EndedSessions { session_ids: session_ids.iter().map(Uuid::to_string).collect() }
}
