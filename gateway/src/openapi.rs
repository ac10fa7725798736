//! The OpenAPI 3.1 document, read off the route table.
//!
//! A handler documents its input and its success; its line in the table says
//! who may call and which faults it has; what every route may answer is added
//! here ([`answers`]). `docs/openapi.json` is this document; a test keeps it so.

mod answers;
#[cfg(test)]
mod error_table;

use std::sync::LazyLock;

use bytes::Bytes;
use chassis::service_token;
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, PathItem, Paths, ServerBuilder,
    path::Operation,
    security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    tag::TagBuilder,
};

use crate::routes::{Audience, Endpoint, endpoints};

/// The name of the security scheme of people.
const BEARER: &str = "bearer";
/// And of the operator's own programs.
const SERVICE: &str = "serviceToken";
/// What every operation has in common.
const DESCRIPTION: &str = "Calendars as rooms: members see every change at once, in order. \
Every path is served both as `/…` and as `/api/…`. Errors are RFC 9457 problems with a stable `code`. \
Every answer carries `x-request-id`, every limited one `x-ratelimit-limit` and `x-ratelimit-remaining`. \
The rooms themselves are spoken over `/ws` and `/socket.io/`.";
/// Order and meaning of the tags.
const TAGS: [(&str, &str); 10] = [
    ("Accounts", "Register, log in, sessions, keys"),
    ("Calendars", "The rooms that the caller is in"),
    ("Events", "What is in them, and when"),
    ("Members", "Who is in, and in which role"),
    ("Room", "What happened and what was said; the way onto the socket"),
    ("Timers", "What calls a webhook when its time has come"),
    ("Notifications", "What concerns one person: the inbox, and where else it goes"),
    ("Activity", "Events of devices, and what they mean"),
    ("Status", "Whether the services are up"),
    ("Documents", "This description"),
];

/// The document as it is served.
static JSON: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_vec(&document()).unwrap_or_default().into());

/// The document as it is served, JSON.
pub(crate) fn json() -> Bytes {
    JSON.clone()
}

/// The document of the whole route table.
pub(crate) fn document() -> OpenApi {
    let mut components = ComponentsBuilder::new()
        .security_scheme(BEARER, SecurityScheme::Http(bearer()))
        .security_scheme(SERVICE, SecurityScheme::ApiKey(service_header()))
        .schema(answers::SCHEMA, answers::problem_schema());
    let mut paths = Paths::new();
    for (name, response) in answers::shared() {
        components = components.response(name, response);
    }
    for endpoint in endpoints() {
        components = components.schemas_from_iter(endpoint.schemas.clone());
        paths.merge(described(endpoint));
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Shared Calendar")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(DESCRIPTION))
                .license(Some(
                    LicenseBuilder::new()
                        .name("MIT OR Apache-2.0")
                        .identifier(Some("MIT OR Apache-2.0"))
                        .build(),
                )),
        )
        .servers(Some([ServerBuilder::new().url("/").build(), ServerBuilder::new().url("/api").build()]))
        .tags(Some(TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build())))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn bearer() -> utoipa::openapi::security::Http {
    let builder = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    builder.description(Some("The `token` of `POST /user/login`")).build()
}

fn service_header() -> ApiKey {
    let about = "The content of the operator's SERVICE_TOKEN_FILE";
    ApiKey::Header(ApiKeyValue::with_description(service_token::METADATA_KEY, about))
}

/// The paths of an endpoint with all that its handler does not say.
fn described(endpoint: Endpoint) -> Paths {
    let (audience, faults) = (endpoint.audience, endpoint.faults);
    let mut paths = endpoint.paths;
    for operation in paths.paths.values_mut().flat_map(operations) {
        operation.security = security(audience);
        answers::add(operation, audience, faults);
    }
    paths
}

/// What is to be shown, one of these; none: nothing.
fn security(audience: Audience) -> Option<Vec<SecurityRequirement>> {
    let one = |scheme| SecurityRequirement::new(scheme, [""; 0]);
    match audience {
        Audience::Callers => Some(vec![one(BEARER)]),
        Audience::CallersAndServices => Some(vec![one(BEARER), one(SERVICE)]),
        Audience::Visitors | Audience::Anybody => None,
    }
}

/// The operations of a path, whatever their methods.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::snapshot;

    #[test]
    fn the_document_in_docs_is_this_one() {
        let mut text = serde_json::to_string_pretty(&document()).expect("JSON");
        text.push('\n');
        snapshot::assert_same("docs/openapi.json", &text);
    }

    #[test]
    fn it_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document = serde_json::to_value(document()).expect("JSON");
        assert_eq!(document["openapi"], "3.1.0");
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(references.len() > 50, "{}", references.len());
        for reference in references {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_documents_what_any_route_may_answer() {
        for endpoint in endpoints() {
            let (name, audience) = (endpoint.name, endpoint.audience);
            for operation in described(endpoint).paths.values_mut().flat_map(operations) {
                let answers = &operation.responses.responses;
                assert_eq!(operation.operation_id.as_deref(), Some(name));
                assert!(operation.summary.is_some(), "{name} has no summary");
                assert!(
                    operation.tags.iter().flatten().all(|tag| TAGS.iter().any(|(known, _)| known == tag))
                );
                for status in ["429", "500", "503", "504"] {
                    assert!(answers.contains_key(status), "{name}: {status}");
                }
                assert_eq!(answers.contains_key("401"), audience.is_closed() || name == "login", "{name}");
                assert_eq!(operation.security.is_some(), audience.is_closed(), "{name}");
                assert_eq!(answers.contains_key("413"), operation.request_body.is_some(), "{name}");
                assert!(answers.keys().any(|status| status.starts_with('2') || status == "303"), "{name}");
            }
        }
    }

    fn collect_references(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                into.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
                map.values().for_each(|inner| collect_references(inner, into));
            }
            Value::Array(list) => list.iter().for_each(|inner| collect_references(inner, into)),
            _ => {}
        }
    }
}
