//! Calls to other services.

use std::{sync::Arc, time::Duration};

use tonic::{
    Request,
    metadata::MetadataMap,
    transport::{Channel, Endpoint, Error},
};

use super::observe::{REQUEST_ID, current_request_id};
use crate::{service_token::ServiceToken, tokens::BearerToken};

/// Every call out has a deadline (PROMISES, rule 5).
const DEADLINE: Duration = Duration::from_secs(2);

/// A channel that connects when first used and again when it breaks.
pub fn channel(uri: &str) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(uri.to_owned())?
        .timeout(DEADLINE)
        .connect_timeout(Duration::from_secs(1))
        .http2_keep_alive_interval(Duration::from_secs(5))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
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
    if let Ok(mut value) = format!("Bearer {}", token.expose()).parse::<tonic::metadata::MetadataValue<_>>() {
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
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
