//! Usernames.

use chassis::fault::FieldError;

/// Characters, both ends included.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=80;

/// A username that may be registered: 3 to 80 of ASCII letters, digits, `.`,
/// `_` and `-`. It keeps its case. (CONTRACTS, General, Limits)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Username(String);

/// What makes a username unique: the name without its case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsernameKey(String);

// === impl Username ===

impl Username {
    /// Checks a name that somebody wants to register.
    pub(crate) fn parse(text: &str) -> Result<Self, FieldError> {
        let refused =
            |message: &str| Err(FieldError { field: "username".to_owned(), message: message.to_owned() });
        if text.is_empty() {
            return refused("is required");
        }
        if !LENGTH.contains(&text.chars().count()) {
            return refused("must have 3 to 80 characters");
        }
        if !text.bytes().all(is_allowed) {
            return refused("may only have letters, digits, '.', '_' and '-'");
        }
        Ok(Self(text.to_owned()))
    }

    /// As it was spelt.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

// === impl UsernameKey ===

impl UsernameKey {
    /// The key of any text that came as a username. What nobody can have
    /// registered becomes the empty key, which no account has.
    pub(crate) fn of(text: &str) -> Self {
        Self(Username::parse(text).map_or_else(|_| String::new(), |name| name.0.to_ascii_lowercase()))
    }

    /// The key, as the database computes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_to_eighty_plain_characters_pass_and_keep_their_case() {
        for name in ["Ann", "a.b", "x_y-z", "007", &"a".repeat(80)] {
            assert_eq!(Username::parse(name).expect("allowed").as_str(), name);
        }
        assert_eq!(UsernameKey::of("Ann"), UsernameKey::of("aNN"));
    }

    #[test]
    fn everything_else_names_the_field() {
        for name in ["", "ab", &"a".repeat(81), "a b", " ann", "ann\n", "änn", "a\0b", "ann@home", "ann/../"]
        {
            assert_eq!(Username::parse(name).expect_err("refused").field, "username", "{name:?}");
            assert_eq!(UsernameKey::of(name).as_str(), "", "{name:?}");
        }
    }
}
