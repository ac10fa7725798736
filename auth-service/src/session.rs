//! A person's sessions: list them, end one.

use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use uuid::Uuid;

use crate::{model::SessionRow, store::Store};

/// The use-cases.
#[derive(Clone)]
pub(crate) struct Sessions {
    pub(crate) store: Store,
}

// === impl Sessions ===

impl Sessions {
    /// The caller's live sessions, newest first; the caller's own is among them.
    pub(crate) async fn list(&self, caller: &Identity) -> Result<Vec<SessionRow>, Fault> {
        let rows = self.store.sessions_of(caller.account_id, caller.session_id).await?;
        if rows.is_empty() { Err(Fault::of(Reason::Unauthenticated)) } else { Ok(rows) }
    }

    /// Ends the caller's session: log-out. Answers the ended session.
    pub(crate) async fn end_own(&self, caller: &Identity) -> Result<Vec<Uuid>, Fault> {
        let own = caller.session_id;
        let ended = self.store.end_session(caller.account_id, own, own).await?;
        if ended { Ok(vec![own]) } else { Err(Fault::of(Reason::Unauthenticated)) }
    }

    /// Ends one of the caller's sessions. `session_not_found` for somebody
    /// else's, an absent and a malformed one alike.
    pub(crate) async fn end(&self, caller: &Identity, target: &str) -> Result<Vec<Uuid>, Fault> {
        let target = Uuid::parse_str(target).unwrap_or(Uuid::nil());
        if self.store.end_session(caller.account_id, caller.session_id, target).await? {
            return Ok(vec![target]);
        }
        let live = self.store.live_session(caller.session_id).await?;
        Err(Fault::of(if live.is_some() { Reason::SessionNotFound } else { Reason::Unauthenticated }))
    }
}
