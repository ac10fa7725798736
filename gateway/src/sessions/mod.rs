//! Who calls: from an `Authorization` header to an identity whose session is
//! live now.
//!
//! The signature first (the verifier remembers it), then the session: what this
//! process found out within the last second, else the shared cache, else
//! auth-service. Nobody can tell: 503. Never open.

mod feed;

use std::sync::Arc;

use chassis::{
    clock::Clock,
    fault::{Fault, Reason},
    tokens::{Identity, Verifier},
};
use http::{HeaderMap, header};
use uuid::Uuid;

use crate::{
    metrics::SessionLookups,
    session_cache::{Recent, SessionCache, Standing},
    upstream::Upstream,
};

/// Sessions that are remembered at once.
const CAPACITY: u64 = 100_000;

/// Answers who calls. Clones share everything.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    verifier: Arc<Verifier>,
    recent: Recent,
    shared: Arc<dyn SessionCache>,
    upstream: Upstream,
    clock: Arc<dyn Clock>,
    lookups: SessionLookups,
}

// === impl Sessions ===

impl Sessions {
    /// Sessions as auth-service knows them, remembered in `shared`.
    pub fn new(
        verifier: Arc<Verifier>,
        shared: Arc<dyn SessionCache>,
        upstream: Upstream,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Inner {
            verifier,
            recent: Recent::new(CAPACITY),
            shared,
            upstream,
            clock,
            lookups: SessionLookups::new(),
        }))
    }

    /// The caller of a request with these headers; `None` when it shows no
    /// credentials at all.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Option<Identity>, Fault> {
        match bearer(headers)? {
            Some(token) => self.identify(token).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whose token this is, if its session is live now.
    pub async fn identify(&self, token: &str) -> Result<Identity, Fault> {
        let identity = self.0.verifier.verify(token).await?;
        match self.standing(identity.session_id).await? {
            Standing::Live { account } if account == identity.account_id => Ok(identity),
            Standing::Live { .. } | Standing::Ended => Err(Fault::of(Reason::Unauthenticated)),
        }
    }

    /// Ends sessions for every gateway. This one refuses them at once; the
    /// others when they next look, within a second. To be called with what
    /// auth-service answered to logout, end-session, password and removal.
    pub async fn revoke(&self, ended: &[String]) {
        let sessions = ended.iter().filter_map(|id| id.parse::<Uuid>().ok());
        let burials = sessions.map(|session| {
            self.forget(session);
            self.0.shared.bury(session)
        });
        futures::future::join_all(burials).await;
    }

    /// Refuses a session in this process from now on.
    fn forget(&self, session: Uuid) {
        self.0.recent.put(session, Standing::Ended, self.0.clock.monotonic());
    }

    async fn standing(&self, session: Uuid) -> Result<Standing, Fault> {
        let Inner { recent, shared, upstream, clock, lookups, .. } = &*self.0;
        let asked = clock.monotonic();
        if let Some(standing) = recent.look(session, asked) {
            lookups.recent.increment(1);
            return Ok(standing);
        }
        if let Some(standing) = shared.look(session).await {
            lookups.shared.increment(1);
            recent.put(session, standing, asked);
            // It may have been ended here while the cache was being asked.
            return Ok(recent.look(session, asked).unwrap_or(standing));
        }
        lookups.authority.increment(1);
        let standing = upstream.session_standing(session).await?;
        if let Standing::Live { account } = standing {
            shared.fill(session, account);
        }
        recent.put(session, standing, asked);
        Ok(recent.look(session, asked).unwrap_or(standing))
    }
}

/// The bearer token; `None` without the header. Two headers, another scheme or
/// no token are broken credentials, not absent ones.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Fault> {
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = shown.next() else { return Ok(None) };
    let refused = || Fault::of(Reason::Unauthenticated);
    if shown.next().is_some() {
        return Err(refused());
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(refused)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(Some(token)) } else { Err(refused()) }
}
