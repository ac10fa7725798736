//! Which sessions are live: the authoritative answer, for other services.

use std::{collections::HashSet, time::Duration};

use chassis::fault::Fault;
use uuid::Uuid;

use crate::{last_seen::LastSeen, model::LiveSession, store::Store};

/// Sessions that may be asked about at once.
pub(crate) const CHECKED_AT_ONCE: usize = 1000;
/// The longest look back at ended sessions; rows are kept a day.
const LOOK_BACK: Duration = Duration::from_hours(1);

/// The use-cases.
#[derive(Clone)]
pub(crate) struct Authentication {
    pub(crate) store: Store,
    pub(crate) last_seen: LastSeen,
}

// === impl Authentication ===

impl Authentication {
    /// The session, if it is live; it counts as seen.
    pub(crate) async fn authenticate(&self, session_id: &str) -> Result<Option<LiveSession>, Fault> {
        let Ok(session_id) = Uuid::parse_str(session_id) else { return Ok(None) };
        let live = self.store.live_session(session_id).await?;
        if let Some(session) = live.as_ref().filter(|session| session.unseen) {
            self.last_seen.note(session.session_id);
        }
        Ok(live)
    }

    /// Those of the sessions that are not live (any more). What is no id was
    /// never a session.
    pub(crate) async fn ended_among(&self, session_ids: Vec<String>) -> Result<Vec<String>, Fault> {
        if session_ids.len() > CHECKED_AT_ONCE {
            return Err(Fault::invalid("session_ids", "at most 1,000 at once"));
        }
        let ids: Vec<_> = session_ids.iter().filter_map(|id| Uuid::parse_str(id).ok()).collect();
        let live: HashSet<_> = self.store.live_among(&ids).await?.into_iter().collect();
        let is_live = |id: &String| Uuid::parse_str(id).is_ok_and(|id| live.contains(&id));
        Ok(session_ids.into_iter().filter(|id| !is_live(id)).collect())
    }

    /// The sessions that were ended within the last `window`.
    pub(crate) async fn ended_within(&self, window: Duration) -> Result<Vec<Uuid>, Fault> {
        self.store.ended_sessions(window.min(LOOK_BACK)).await
    }
}
