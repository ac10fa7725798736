//! One line of the route table.

use axum::routing::MethodRouter;
use chassis::fault::Reason;
use utoipa::openapi::{Paths, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::{edge::limit::Limits, state::App};

/// Who may call, and whose budget a call spends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Whoever shows a good token; a budget per account.
    Callers,
    /// Callers, and the operator's own programs with the service token; those
    /// have a budget per client address.
    CallersAndServices,
    /// Anybody; a budget with a figure of its own per client address.
    Visitors,
    /// Anybody; the generous budget of cheap routes per client address.
    Anybody,
}

/// A method of a path: its handler, its documentation, its budget.
pub(crate) struct Endpoint {
    /// The operation id; also the name of the budget.
    pub(crate) name: &'static str,
    /// Who may call.
    pub(crate) audience: Audience,
    /// What it may answer beyond what every route may (see [`crate::openapi`]).
    pub(crate) faults: &'static [Reason],
    /// Path, method and documentation, as `utoipa::path` took them off the handler.
    pub(crate) paths: Paths,
    /// The schemas that the documentation refers to.
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
    handler: MethodRouter<App>,
}

// === impl Audience ===

impl Audience {
    /// Whether a call needs credentials.
    pub(crate) const fn is_closed(self) -> bool {
        matches!(self, Self::Callers | Self::CallersAndServices)
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// A route as `utoipa_axum::routes!` reads it off a documented handler.
    pub(super) fn new(
        (schemas, paths, handler): UtoipaMethodRouter<App>,
        name: &'static str,
        audience: Audience,
        faults: &'static [Reason],
    ) -> Self {
        Self { name, audience, faults, paths, schemas, handler }
    }

    /// The path, as the router and OpenAPI alike write it.
    pub(crate) fn path(&self) -> &str {
        self.paths.paths.keys().next().map_or("", String::as_str)
    }

    /// The handler behind its budget.
    pub(super) fn routed(self, limits: &Limits) -> MethodRouter<App> {
        let budget = match self.audience {
            Audience::Callers | Audience::CallersAndServices => limits.per_account(self.name),
            Audience::Visitors => limits.per_address(self.name),
            Audience::Anybody => limits.open(self.name),
        };
        self.handler.layer(budget)
    }
}
