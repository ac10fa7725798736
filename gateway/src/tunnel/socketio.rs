//! `/socket.io/`: polls are passed on, WebSockets tunnelled.
//!
//! The token may be in an `Authorization` header, which is checked here, or in
//! the namespace's CONNECT payload, which only calendar-service reads.

use axum::{
    extract::{Request, State},
    response::Response,
};
use chassis::fault::Fault;
use http::{StatusCode, uri::PathAndQuery};

use super::{onward, switch};
use crate::{
    edge::{client_address::ClientAddress, session::Caller},
    problem::Problem,
    state::App,
};

const PATH: &str = "/socket.io/";

/// Any method of `/socket.io/`.
pub(super) async fn socketio(
    State(app): State<App>,
    caller: Option<Caller>,
    mut request: Request,
) -> Result<Response, Problem> {
    app.origins.check(request.headers())?;
    let token = caller.map(|caller| caller.identity.token);
    let path = path(request.uri().query())?;
    let tunnels = &app.tunnels;
    let address = ClientAddress::of(request.extensions()).to_string();
    if onward::is_websocket(&request) {
        let mut place = tunnels.place()?;
        // One that begins as a WebSocket may begin anywhere; an upgrade has its
        // polls somewhere already.
        let begins = !has_sid(request.uri().query());
        let headers = tunnels.headers(&request, onward::HANDSHAKE, token.as_ref())?;
        let (listener, mut answer) = if begins {
            tunnels.open_anywhere(path, headers).await?
        } else {
            tunnels.open_at(tunnels.of_client(&address).await?, path, headers).await?
        };
        return if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            place.listener = Some(listener);
            Ok(switch(place, &mut request, &mut answer))
        } else {
            Ok(poll_answer(answer))
        };
    }
    let body = onward::bounded(std::mem::take(request.body_mut()));
    let mut listener = tunnels.of_client(&address).await?;
    let to = listener.member().authority();
    let headers = tunnels.headers(&request, onward::POLL, token.as_ref())?;
    let onward = onward::request(request.method().clone(), to, path, headers, body)?;
    tokio::select! {
        answer = tunnels.ask(&mut listener, onward) => answer.map(poll_answer),
        // A client whose poll is refused connects anew, elsewhere.
        () = tunnels.closing.cancelled() => Err(Fault::unavailable("the room").into()),
    }
}

/// Whether the query names a session of Engine.IO.
fn has_sid(query: Option<&str>) -> bool {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "sid")
}

/// The constant path with the client's query: Engine.IO's own parameters.
fn path(query: Option<&str>) -> Result<PathAndQuery, Fault> {
    let path = query.map_or_else(|| PATH.to_owned(), |query| format!("{PATH}?{query}"));
    path.try_into().map_err(|_| Fault::invalid("query", "is not valid"))
}

/// The listener's answer with the headers that are meant for clients.
fn poll_answer(answer: Response) -> Response {
    let (head, body) = answer.into_parts();
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    onward::copy(&head.headers, response.headers_mut(), onward::POLL_ANSWER);
    response
}
