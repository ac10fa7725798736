//! What a member may do.

use chassis::fault::{Fault, Reason};
use serde::{Deserialize, Serialize};

/// A member's role. Ordered by power: viewer < editor < owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads, and talks in the room.
    Viewer,
    /// Writes events as well; who joins by password is one.
    Editor,
    /// Settings, members, deletion as well. At least one, always.
    Owner,
}

// === impl Role ===

impl Role {
    /// The spelling that clients and the database see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Owner => "owner",
        }
    }

    /// The role with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "viewer" => Some(Self::Viewer),
            "editor" => Some(Self::Editor),
            "owner" => Some(Self::Owner),
            _ => None,
        }
    }

    /// Passes whoever may write events; `read_only` otherwise.
    pub fn may_write(self) -> Result<(), Fault> {
        if self >= Self::Editor { Ok(()) } else { Err(Fault::of(Reason::ReadOnly)) }
    }

    /// Passes owners; `forbidden` otherwise.
    pub fn may_rule(self) -> Result<(), Fault> {
        if self == Self::Owner {
            Ok(())
        } else {
            Err(Fault::new(Reason::Forbidden, "only an owner may do this"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_power_and_read_back_from_their_spelling() {
        for role in [Role::Viewer, Role::Editor, Role::Owner] {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert!(Role::Viewer.may_write().is_err() && Role::Editor.may_write().is_ok());
        assert!(Role::Editor.may_rule().is_err() && Role::Owner.may_rule().is_ok());
        assert_eq!(Role::parse("Owner"), None);
    }
}
