//! Which field a deserialisation failed on, in words for the client.

use chassis::fault::Fault;
use serde_path_to_error::Error;

/// A 400 `invalid` that names the field; `whole` when it is not about one.
pub(super) fn fault<E: std::fmt::Display>(error: &Error<E>, whole: &str) -> Fault {
    let text = error.inner().to_string();
    // serde_json says where in the text; clients count fields, not columns.
    let message = text.split(" at line ").next().unwrap_or_default();
    let path = error.path().to_string();
    // `?` is a place inside something that did not parse.
    let path = path.trim_end_matches('?').trim_end_matches('.');
    let inside = (!path.is_empty()).then_some(path);
    // serde reports a missing field at the object around it.
    match message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => {
            let name = inside.map_or_else(|| name.to_owned(), |parent| format!("{parent}.{name}"));
            Fault::invalid(name, "is required")
        }
        None => Fault::invalid(inside.unwrap_or(whole), message),
    }
}
