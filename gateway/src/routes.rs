//! Every route: HTTP into gRPC, the answer into HTTP, and nothing else.
//!
//! [`endpoints`] is the one table: the router, the OpenAPI document, the
//! budgets and the check of the Postman collection are all read off it. A new
//! route is a file with its input, its output, its documentation and its
//! handler, and a line here.

mod activity;
mod answer;
mod calendar;
mod docs;
mod endpoint;
mod ids;
mod if_match;
mod jwks;
mod merge_patch;
mod notify;
mod object;
mod paging;
#[cfg(test)]
mod refusal_test;
mod status;
#[cfg(test)]
mod table_test;
mod ticket;
mod timers;
mod user;
mod whole;

use axum::Router;

pub(crate) use self::endpoint::{Audience, Endpoint};
use crate::{edge::limit::Limits, problem::Problem, state::App};

/// All routes behind their budgets, without the prefix `/api`, which the edge
/// takes off before it routes.
pub fn router(limits: &Limits) -> Router<App> {
    let router = endpoints().into_iter().fold(docs::files(limits), |router, endpoint| {
        let path = endpoint.path().to_owned();
        router.route(&path, endpoint.routed(limits))
    });
    router
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::no_such_route())
}

/// The route table.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        // Accounts
        user::register::endpoint(),
        user::login::endpoint(),
        user::logout::endpoint(),
        user::sessions::list_endpoint(),
        user::sessions::end_endpoint(),
        user::password::endpoint(),
        user::removal::endpoint(),
        jwks::endpoint(),
        // Calendars
        calendar::create_calendar::endpoint(),
        calendar::calendars::list_endpoint(),
        calendar::update_calendar::endpoint(),
        calendar::calendars::delete_endpoint(),
        // Events
        calendar::create_event::endpoint(),
        calendar::get_events::endpoint(),
        calendar::list_events::endpoint(),
        calendar::event::get_endpoint(),
        calendar::update_event::endpoint(),
        calendar::event::delete_endpoint(),
        calendar::own_reminders::endpoint(),
        // Members
        calendar::members::list_endpoint(),
        calendar::members::role_endpoint(),
        calendar::members::removal_endpoint(),
        // The room
        calendar::changes::endpoint(),
        calendar::messages::endpoint(),
        ticket::endpoint(),
        // Activity
        activity::record_events::endpoint(),
        // Timers
        timers::create_timer::endpoint(),
        timers::list_timers::endpoint(),
        timers::get_timer::endpoint(),
        timers::cancel_timer::endpoint(),
        timers::resend_timer::endpoint(),
        user::webhook_secret::get_endpoint(),
        user::webhook_secret::rotate_endpoint(),
        // Notifications
        notify::endpoint(),
        user::inbox::list_endpoint(),
        user::inbox::seen_endpoint(),
        user::webhook_url::get_endpoint(),
        user::webhook_url::set_endpoint(),
        // Status and documents
        status::user_endpoint(),
        status::calendar_endpoint(),
        docs::openapi_endpoint(),
        docs::page_endpoint(),
    ]
}
