//! RFC 7396: what a patch says about one field.

use serde::{Deserialize, Deserializer};

/// Absent, null, or a value. Needs `#[serde(default)]` at the field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Edit<T> {
    /// Not said: stays as it is.
    #[default]
    Keep,
    /// Null: cleared.
    Clear,
    /// This.
    Set(T),
}

// === impl Edit ===

impl<T> Edit<T> {
    /// The value where there is one; a null is noted in `cleared` under `field`.
    pub(super) fn take(self, field: &str, cleared: &mut Vec<String>) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => {
                cleared.push(field.to_owned());
                None
            }
            Self::Set(value) => Some(value),
        }
    }

    /// The value where there is one; null is `empty`.
    pub(super) fn or(self, empty: T) -> Option<T> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(empty),
            Self::Set(value) => Some(value),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Edit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<T>::deserialize(deserializer)?;
        Ok(value.map_or(Self::Clear, Self::Set))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[derive(Debug, Deserialize)]
    struct Patch {
        #[serde(default)]
        location: Edit<String>,
    }

    fn location(body: &serde_json::Value) -> Edit<String> {
        read::<Patch>(body).expect("a patch").location
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        assert_eq!(location(&json!({})), Edit::Keep);
        assert_eq!(location(&json!({ "location": null })), Edit::Clear);
        assert_eq!(location(&json!({ "location": "" })), Edit::Set(String::new()));
        assert_eq!(read::<Patch>(&json!({ "location": 5 })).err(), Some("location".to_owned()));
    }

    #[test]
    fn what_was_cleared_is_noted() {
        let mut cleared = Vec::new();
        assert_eq!(Edit::Set(1).take("a", &mut cleared), Some(1));
        assert_eq!(Edit::<u8>::Keep.take("b", &mut cleared), None);
        assert_eq!(Edit::<u8>::Clear.take("c", &mut cleared), None);
        assert_eq!(cleared, ["c"]);
        assert_eq!((Edit::Clear.or(0), Edit::Keep.or(0), Edit::Set(2).or(0)), (Some(0), None, Some(2)));
    }
}
