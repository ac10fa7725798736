//! `/ws`: refused before the upgrade, or tunnelled.

use axum::{
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use chassis::{
    fault::{Fault, Reason},
    tokens::BearerToken,
};
use http::{HeaderValue, StatusCode, header, uri::PathAndQuery};

use super::{onward, switch};
use crate::{edge::session::Caller, problem::Problem, state::App};

const PATH: PathAndQuery = PathAndQuery::from_static("/ws");

/// What the client shows.
enum Shown {
    Token(BearerToken),
    Ticket(String),
}

/// `GET /ws`: 400, 401, 403, 426, 429, 503, or 101.
pub(super) async fn ws(
    State(app): State<App>,
    caller: Option<Caller>,
    mut request: Request,
) -> Result<Response, Problem> {
    app.origins.check(request.headers())?;
    let shown = match caller {
        Some(caller) => Shown::Token(caller.identity.token),
        None => Shown::Ticket(ticket(request.uri().query())?),
    };
    if !onward::is_websocket(&request) || !onward::speaks_our_version(&request) {
        let mut answer = Problem::upgrade_required().into_response();
        answer.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        answer.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, onward::VERSION);
        return Ok(answer);
    }
    let mut place = app.tunnels.place()?;
    let token = match shown {
        Shown::Token(token) => token,
        // Last: a ticket is good once.
        Shown::Ticket(ticket) => BearerToken::new(app.upstream.redeem_ticket(ticket).await?.token),
    };
    let headers = app.tunnels.headers(&request, onward::HANDSHAKE, Some(&token))?;
    let (listener, mut answer) = app.tunnels.open_anywhere(PATH, headers).await?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        place.listener = Some(listener);
        Ok(switch(place, &mut request, &mut answer))
    } else {
        Err(onward::refusal(answer).await)
    }
}

/// A browser's way in: a ticket, good once, instead of a header it cannot set.
fn ticket(query: Option<&str>) -> Result<String, Fault> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, ticket)) = pairs.find(|(name, _)| name == "ticket") else {
        return Err(Fault::of(Reason::Unauthenticated));
    };
    // A JSON Web Token has two dots, a ticket has none: somebody put theirs here.
    if ticket.contains('.') {
        return Err(Fault::invalid("ticket", "is not a ticket; a token must not be in a URL"));
    }
    Ok(ticket.into_owned())
}
