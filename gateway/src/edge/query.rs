//! Query strings, with a fault that names the field.

use axum::extract::FromRequestParts;
use chassis::fault::Fault;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::field;
use crate::problem::Problem;

/// The query string, read into `T`; 400 `invalid` with the field named.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse(parts.uri.query().unwrap_or_default()).map(Self).map_err(Problem::from)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> Result<T, Fault> {
    let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(pairs).map_err(|error| field::fault(&error, "query"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Window {
        from: String,
        limit: Option<u32>,
    }

    #[test]
    fn the_parameter_at_fault_is_named() {
        let window: Window = parse("from=2026-01-01T00%3A00%3A00Z&limit=5&x=y").expect("is valid");
        assert_eq!((window.from.as_str(), window.limit), ("2026-01-01T00:00:00Z", Some(5)));
        for (query, field) in [("limit=5", "from"), ("from=a&limit=-1", "limit"), ("from=a&limit=x", "limit")]
        {
            let fault = parse::<Window>(query).expect_err("must be refused");
            assert_eq!(fault.fields[0].field, field, "{query}");
        }
    }
}
