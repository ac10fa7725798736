//! Whole numbers of JSON bodies, refused in words that are no programmer's.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A JSON whole number, 0 or more. Needs `#[serde(default)]` where absent is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Whole(pub(super) u64);

struct WholeVisitor;

// === impl Whole ===

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `any`: with a wish for a number serde_json would name its own types.
        deserializer.deserialize_any(WholeVisitor)
    }
}

// === impl WholeVisitor ===

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number, 0 or more")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Whole, E> {
        Ok(Whole(number))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::routes::object::read;

    #[derive(Debug, Deserialize)]
    struct Time {
        #[serde(default)]
        hours: Whole,
    }

    #[test]
    fn absent_is_zero() {
        assert_eq!(read::<Time>(&json!({})).ok().map(|time| time.hours), Some(Whole(0)));
        assert_eq!(read::<Time>(&json!({ "hours": 4 })).ok().map(|time| time.hours), Some(Whole(4)));
    }

    #[test]
    fn what_is_no_whole_number_is_refused_by_name() {
        for hours in [json!(-1), json!(1.5), json!("4"), json!(1e30), Value::Null, json!([4]), json!(true)] {
            let body = json!({ "hours": hours });
            assert_eq!(read::<Time>(&body).err().as_deref(), Some("hours"), "{body}");
        }
        let text = serde_json::from_str::<Time>(r#"{"hours":1.5}"#).unwrap_err().to_string();
        assert!(text.starts_with("invalid type: floating point `1.5`, expected a whole number"), "{text}");
    }
}
