//! Query parameters with bounds. An empty one is one that was not given:
//! forms and API clients send those.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

/// A page size from 1 to `MAX`; 0 inside stands for the service's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Limit<const MAX: u32>(pub(super) u32);

/// A place in a log, from 0; absent is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seq(pub(super) i64);

/// `true` or `false`; absent is `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Switch(pub(super) bool);

/// Reads a number off a parameter's text.
struct Number<T> {
    lowest: i64,
    highest: i64,
    into: PhantomData<T>,
}

// === impl Limit ===

impl<'de, const MAX: u32> Deserialize<'de> for Limit<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::<u32> { lowest: 1, highest: MAX.into(), into: PhantomData };
        deserializer.deserialize_str(number).map(Self)
    }
}

// === impl Seq ===

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = Number::<i64> { lowest: 0, highest: i64::MAX, into: PhantomData };
        deserializer.deserialize_str(number).map(Self)
    }
}

// === impl Switch ===

impl<'de> Deserialize<'de> for Switch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "" | "false" => Ok(Self(false)),
            "true" => Ok(Self(true)),
            _ => Err(Error::custom("must be true or false")),
        }
    }
}

// === impl Number ===

impl<T: TryFrom<i64> + Default> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {} to {}", self.lowest, self.highest)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        if text.is_empty() {
            return Ok(T::default());
        }
        // Digits only: `+5` is a space and a five in a query string.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|n| digits && (self.lowest..=self.highest).contains(n));
        let refused =
            || E::custom(format_args!("must be a whole number from {} to {}", self.lowest, self.highest));
        number.and_then(|n| T::try_from(n).ok()).ok_or_else(refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Page {
        #[serde(default)]
        limit: Limit<200>,
        #[serde(default)]
        since: Seq,
        #[serde(default)]
        verbose: Switch,
    }

    fn read(query: &str) -> Result<(u32, i64), String> {
        let page = serde_urlencoded::from_str::<Page>(query);
        page.map(|page| (page.limit.0, page.since.0)).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_and_empty_are_the_default() {
        assert_eq!(read(""), Ok((0, 0)));
        assert_eq!(read("limit=&since="), Ok((0, 0)));
        assert_eq!(read("limit=200&since=9223372036854775807"), Ok((200, i64::MAX)));
    }

    #[test]
    fn a_switch_is_on_or_off() {
        for (query, on) in
            [("", false), ("verbose=", false), ("verbose=false", false), ("verbose=true", true)]
        {
            assert_eq!(
                serde_urlencoded::from_str::<Page>(query).map(|page| page.verbose.0),
                Ok(on),
                "{query}"
            );
        }
        assert_eq!(read("verbose=yes"), Err("must be true or false".to_owned()));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused() {
        for query in
            ["limit=0", "limit=201", "limit=-1", "limit=%2B5", "limit=x", "limit=99999999999999999999"]
        {
            assert_eq!(read(query), Err("must be a whole number from 1 to 200".to_owned()), "{query}");
        }
        for query in ["since=-1", "since=1.5", "since=9223372036854775808"] {
            assert!(read(query).is_err(), "{query}");
        }
    }
}
