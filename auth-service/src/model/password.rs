//! Passwords.

use chassis::fault::FieldError;
use secrecy::{ExposeSecret as _, SecretString};
use unicode_normalization::UnicodeNormalization as _;

/// Characters of a password, both ends included.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// A password that somebody claims to be right: any text at all.
#[derive(Clone, Debug)]
pub(crate) struct Password(SecretString);

/// A password that may be set: 8 to 128 characters.
#[derive(Clone, Debug)]
pub(crate) struct NewPassword(Password);

// === impl Password ===

impl Password {
    /// Takes any text. The same characters typed on another keyboard may come
    /// composed otherwise, hence NFC (RFC 8265, OpaqueString).
    pub(crate) fn claimed(text: &str) -> Self {
        // A longer one cannot have been set: its tail is not worth any work.
        let nfc: String = text.nfc().take(LENGTH.end() + 1).collect();
        Self(nfc.into())
    }

    /// The bytes, for the hash and nothing else.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

// === impl NewPassword ===

impl NewPassword {
    /// Checks a password that somebody wants to set; `field` is its name in an error.
    pub(crate) fn parse(field: &str, text: &str) -> Result<Self, FieldError> {
        let password = Password::claimed(text);
        let length = password.0.expose_secret().chars().count();
        let message = if text.is_empty() {
            "is required"
        } else if LENGTH.contains(&length) {
            return Ok(Self(password));
        } else {
            "must have 8 to 128 characters"
        };
        Err(FieldError { field: field.to_owned(), message: message.to_owned() })
    }

    /// As a password.
    pub(crate) const fn as_password(&self) -> &Password {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_to_128_characters_of_any_kind_may_be_set() {
        for text in ["12345678", "ääääääää", &"🗝".repeat(128), "a\0b\nc d\te"] {
            assert!(NewPassword::parse("password", text).is_ok(), "{text:?}");
        }
        for text in ["", "1234567", "äääääää", &"a".repeat(129), &"a".repeat(100_000)] {
            let error = NewPassword::parse("new", text).expect_err("refused");
            assert_eq!(error.field, "new");
        }
    }

    #[test]
    fn composed_and_decomposed_letters_are_the_same_password() {
        let (composed, decomposed) = ("p\u{e4}ssw\u{f6}rter", "pa\u{308}sswo\u{308}rter");
        assert_eq!(Password::claimed(composed).expose(), Password::claimed(decomposed).expose());
    }

    #[test]
    fn a_password_does_not_show_itself() {
        let shown = format!("{:?}", NewPassword::parse("password", "correct horse"));
        assert!(!shown.contains("horse"), "{shown}");
    }
}
