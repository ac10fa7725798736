//! A JSON object as a request body.

use std::{fmt, marker::PhantomData};

use axum::extract::{FromRequest, Request};
use serde::{
    Deserialize,
    de::{DeserializeOwned, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{edge::body::Json, problem::Problem};

/// The body of a request, a JSON object read into `T`; see [`Json`] for what
/// it refuses. Serde would also read a struct off an array, field by field in
/// order: no client means that.
pub(super) struct Body<T>(pub(super) T);

/// Reads `T` off a JSON object and nothing else.
struct Object<T>(T);

struct ObjectVisitor<T>(PhantomData<T>);

// === impl Body ===

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Json(Object(body)) = Json::<Object<T>>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

// === impl Object ===

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

// === impl ObjectVisitor ===

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// What `T` reads off a body, or the field that it refuses.
#[cfg(test)]
pub(super) fn read<T: DeserializeOwned>(body: &serde_json::Value) -> Result<T, String> {
    let bytes = serde_json::to_vec(body).expect("JSON can be written");
    match crate::edge::body::parse::<Object<T>>(&bytes) {
        Ok(Object(value)) => Ok(value),
        Err(fault) => Err(fault.fields.into_iter().next().expect("a field is named").field),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Pair {
        username: String,
        numbers: Option<Vec<u32>>,
    }

    #[test]
    fn an_object_is_read_and_the_field_at_fault_named() {
        let pair = Pair { username: "ann".to_owned(), numbers: None };
        assert_eq!(read(&json!({ "username": "ann", "numbers": null, "x": 1 })), Ok(pair));
        assert_eq!(read::<Pair>(&json!({})), Err("username".to_owned()));
        assert_eq!(read::<Pair>(&json!({ "username": ["ann"] })), Err("username".to_owned()));
        assert_eq!(
            read::<Pair>(&json!({ "username": "ann", "numbers": [1, "2"] })),
            Err("numbers[1]".to_owned())
        );
    }

    #[test]
    fn an_array_is_no_object() {
        for body in [json!(["ann", null]), json!("ann"), json!(null), json!(5)] {
            assert_eq!(read::<Pair>(&body), Err("body".to_owned()), "{body}");
        }
    }
}
