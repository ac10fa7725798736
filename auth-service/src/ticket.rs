//! Single-use WebSocket tickets.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use rand::RngCore as _;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use crate::{
    model::LiveSession,
    signing::ring::{Grant, KeyRing},
    store::Store,
};

/// How long a ticket is worth something.
pub(crate) const TICKET_TTL: Duration = Duration::from_secs(30);
/// Random bytes of a ticket.
const TICKET_BYTES: usize = 32;

/// The use-cases.
#[derive(Clone)]
pub(crate) struct Tickets {
    pub(crate) store: Store,
    pub(crate) ring: KeyRing,
}

// === impl Tickets ===

impl Tickets {
    /// A ticket for the caller's session. Only its hash is kept.
    pub(crate) async fn issue(&self, caller: &Identity) -> Result<SecretString, Fault> {
        let mut bytes = [0; TICKET_BYTES];
        rand::rng().fill_bytes(&mut bytes);
        let ticket = URL_SAFE_NO_PAD.encode(bytes);
        let (account_id, session_id) = (caller.account_id, caller.session_id);
        if self.store.add_ticket(&hash(&ticket), account_id, session_id, TICKET_TTL).await? {
            Ok(ticket.into())
        } else {
            Err(Fault::of(Reason::Unauthenticated))
        }
    }

    /// Turns a ticket, once, into a fresh access token for its session.
    pub(crate) async fn redeem(&self, ticket: &str) -> Result<(LiveSession, SecretString), Fault> {
        // Before the ticket is used up.
        self.ring.ensure_ready()?;
        let redeemed = self.store.redeem_ticket(&hash(ticket)).await?;
        let session = redeemed.ok_or_else(|| Fault::of(Reason::Unauthenticated))?;
        let token = self.ring.sign(&Grant {
            account_id: session.account_id,
            username: &session.username,
            session_id: session.session_id,
            issued_at: session.now,
            expires_at: session.expires_at,
        })?;
        Ok((session, token))
    }
}

fn hash(ticket: &str) -> [u8; 32] {
    Sha256::digest(ticket).into()
}
