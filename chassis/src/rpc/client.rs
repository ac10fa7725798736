//! Calls to other services.

use std::{sync::Arc, time::Duration};

use tonic::{
    Request,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Uri},
};

use super::{
    credentials::{TOKEN, token_value},
    first_that_answers::FirstThatAnswers,
    observe::{REQUEST_ID, current_request_id},
    targets::Targets,
};
use crate::{service_token::ServiceToken, tls::Way, tokens::BearerToken};

/// Every call out has a deadline (PROMISES, rule 5).
const DEADLINE: Duration = Duration::from_secs(2);
/// From the first look for an instance to one that accepts.
const CONNECT: Duration = Duration::from_secs(1);

/// A channel to one of these instances, whichever answers first when it is first
/// used, and again when the connection breaks; over `way`.
pub fn channel_on(way: Way, targets: &Targets) -> Channel {
    // Where it connects is the connector's; this is the name that calls carry.
    Endpoint::from(Uri::from_static("http://service"))
        .timeout(DEADLINE)
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .connect_with_connector_lazy(FirstThatAnswers::new(targets.clone(), way))
}

/// The same without TLS, whatever the settings say: for programs that are no
/// service.
pub fn channel(targets: &Targets) -> Channel {
    channel_on(Way::plain(), targets)
}

/// A request to an internal method: service token, deadline, request id.
pub fn outbound<T>(message: T, token: &ServiceToken) -> Request<T> {
    let mut request = bounded(message);
    token.attach(request.metadata_mut());
    request
}

/// A request in the name of a person: their token, deadline, request id.
pub fn authorize<T>(message: T, token: &BearerToken) -> Request<T> {
    let mut request = bounded(message);
    if let Some(value) = token_value(token) {
        request.metadata_mut().insert(TOKEN, value);
    }
    request
}

fn bounded<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    if let Some(id) = current_request_id() {
        insert_request_id(request.metadata_mut(), &id);
    }
    request
}

fn insert_request_id(metadata: &mut MetadataMap, id: &Arc<str>) {
    if let Ok(value) = id.parse() {
        metadata.insert(REQUEST_ID, value);
    }
}
