//! Sessions.

use jiff::Timestamp;
use uuid::Uuid;

/// A session that was just made. Times are the database's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenedSession {
    /// The session.
    pub(crate) session_id: Uuid,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// When it, and its tokens, end.
    pub(crate) expires_at: Timestamp,
}

/// A session that is live, and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct LiveSession {
    /// The session.
    pub(crate) session_id: Uuid,
    /// Whose it is.
    pub(crate) account_id: Uuid,
    /// As it was spelt at registration.
    pub(crate) username: String,
    /// The database's clock at the look-up.
    pub(crate) now: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
    /// Last seen more than a minute ago.
    pub(crate) unseen: bool,
}

/// A line in the list of an account's sessions.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    /// The session.
    pub(crate) session_id: Uuid,
    /// When it began.
    pub(crate) created_at: Timestamp,
    /// To the minute.
    pub(crate) last_seen_at: Timestamp,
    /// When it ends.
    pub(crate) expires_at: Timestamp,
    /// As the client called itself.
    pub(crate) user_agent: String,
}
