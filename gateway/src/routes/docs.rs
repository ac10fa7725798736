//! `GET /openapi.json` and `GET /docs`, a page to try it that needs no other
//! server: Swagger UI lies in the binary.

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    body::Body,
    extract::Path,
    response::{IntoResponse as _, Redirect, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use utoipa_axum::routes;
use utoipa_swagger_ui::Config;

use super::{
    answer,
    endpoint::{Audience, Endpoint},
};
use crate::{edge::limit::Limits, openapi, problem::Problem, state::App};

/// The page. Its links are relative, so that it works under both prefixes.
const PAGE: &str = include_str!("docs/page.html");
/// Starts Swagger UI; a file of its own, so that no script stands in the page.
const START: &str = include_str!("docs/start.js");
/// What of Swagger UI is served.
const FILES: [&str; 2] = ["swagger-ui.css", "swagger-ui-bundle.js"];
/// Swagger UI sets styles on elements and draws icons from `data:`; all else
/// comes from here. The edge leaves a policy alone that a route has set.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// The files change with the binary only.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::default()));

pub(super) fn openapi_endpoint() -> Endpoint {
    Endpoint::new(routes!(openapi_json), "openapi_json", Audience::Anybody, &[])
}

pub(super) fn page_endpoint() -> Endpoint {
    Endpoint::new(routes!(docs), "docs", Audience::Anybody, &[])
}

/// What the page loads; part of the page, not of the interface.
pub(super) fn files(limits: &Limits) -> Router<App> {
    let slash = get(async || Redirect::permanent("../docs"));
    let files = get(file);
    Router::new().route("/docs/", slash).route("/docs/{file}", files).layer(limits.open("docs"))
}

/// This description
///
/// OpenAPI 3.1, made from the code.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Documents",
    responses((status = 200, description = "The OpenAPI document", body = Value)),
)]
async fn openapi_json() -> Response {
    answer::raw_json(StatusCode::OK, openapi::json())
}

/// This description, as a page
///
/// A page to read and to try every call, without any other server.
#[utoipa::path(
    get, path = "/docs", tag = "Documents",
    responses((status = 200, description = "The page", body = String, content_type = "text/html")),
)]
async fn docs() -> Response {
    served("text/html; charset=utf-8", PAGE)
}

async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    if name == "start.js" {
        return Ok(served("text/javascript; charset=utf-8", START));
    }
    if !FILES.contains(&name.as_str()) {
        return Err(Problem::no_such_route());
    }
    let found = utoipa_swagger_ui::serve(&name, Arc::clone(&CONFIG)).ok().flatten();
    let file = found.ok_or_else(Problem::no_such_route)?;
    Ok(served(&file.content_type, file.bytes.into_owned()))
}

fn served(media_type: &str, content: impl Into<Body>) -> Response {
    let mut response = Response::new(content.into());
    let headers = response.headers_mut();
    if let Ok(media_type) = HeaderValue::try_from(media_type) {
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::CACHE_CONTROL, CACHE);
    response.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_file_that_the_page_loads_is_served() {
        let links: Vec<&str> = PAGE.split('"').filter_map(|part| part.strip_prefix("docs/")).collect();
        assert_eq!(links, ["swagger-ui.css", "swagger-ui-bundle.js", "start.js"]);
        for link in links {
            let response = file(Path(link.to_owned())).await.expect(link);
            let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("text").to_owned();
            assert!(
                kind.contains(if link.ends_with("css") { "css" } else { "javascript" }),
                "{link}: {kind}"
            );
            assert!(response.headers().contains_key(header::CONTENT_SECURITY_POLICY));
        }
        assert!(file(Path("index.html".to_owned())).await.is_err());
    }

    #[test]
    fn the_page_asks_no_other_server_and_has_no_inline_script() {
        for text in [PAGE, START] {
            assert!(!text.contains("://") && !text.contains("\"//"), "{text}");
        }
        assert!(!PAGE.contains("<script>"));
    }
}
