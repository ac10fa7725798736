//! The failures of an operation: its own, and those of every route.

use std::collections::BTreeMap;

use chassis::fault::{Fault, Reason};
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema,
    Type,
    example::ExampleBuilder,
    path::{Operation, Parameter},
    schema::ArrayBuilder,
};

use crate::{edge::repeat, problem::Problem, routes::Audience};

/// The name of the one schema of all failures.
pub(super) const SCHEMA: &str = "Problem";
/// The request id in examples.
const REQUEST_ID: &str = "4f0c2f1e9d0b4a3c8a8f6d5e4c3b2a19";

/// Adds an operation's failures, by status, each code with an example.
pub(super) fn add(operation: &mut Operation, audience: Audience, faults: &[Reason]) {
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for problem in problems(operation, audience, faults) {
        let codes = by_status.entry(problem.status().as_u16()).or_default();
        if codes.iter().all(|known| known.code() != problem.code()) {
            codes.push(problem);
        }
    }
    for (status, problems) in by_status {
        let answer = match &problems[..] {
            // One code for the status: the same answer everywhere.
            [problem] => Ref::from_response_name(problem.code()).into(),
            several => RefOr::T(answer(several)),
        };
        operation.responses.responses.insert(status.to_string(), answer);
    }
    if has_parameter(operation, repeat::NAME) {
        mark_successes(operation);
    }
}

/// A success may be the first one again.
fn mark_successes(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with('2'), response) {
            let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["true"])).build();
            let header = HeaderBuilder::new()
                .schema(Some(schema))
                .description(Some("There when an earlier request with the same key was given this answer"));
            response.headers.insert("Idempotent-Replayed".to_owned(), header.build().into());
        }
    }
}

/// The answers that have one code, by that code: operations refer to them.
pub(super) fn shared() -> impl Iterator<Item = (&'static str, Response)> {
    every_problem().into_iter().map(|problem| (problem.code(), answer(&[problem])))
}

/// Every failure that the gateway knows: the services' and those that only HTTP has.
pub(super) fn every_problem() -> Vec<Problem> {
    let faults = Reason::ALL.iter().map(|&reason| Problem::from(example(reason)));
    let of_http = [
        Problem::method_not_allowed(),
        Problem::body_timeout(),
        Problem::body_too_large(),
        Problem::unsupported_media_type(),
        Problem::upgrade_required(),
        Problem::precondition_required(),
    ];
    faults.chain(of_http).collect()
}

fn problems(operation: &Operation, audience: Audience, faults: &[Reason]) -> Vec<Problem> {
    let example = |reason: &Reason| Problem::from(example(*reason));
    let mut problems: Vec<Problem> = faults.iter().map(example).collect();
    let has_body = operation.request_body.is_some();
    let has_precondition = has_parameter(operation, "If-Match");
    if audience.is_closed() {
        // A token in the URL is `invalid`, wherever.
        problems.extend([example(&Reason::Unauthenticated), example(&Reason::Invalid)]);
    }
    if has_body {
        problems.push(example(&Reason::Invalid));
    }
    if has_body {
        problems.extend([
            Problem::body_timeout(),
            Problem::body_too_large(),
            Problem::unsupported_media_type(),
        ]);
    }
    if has_precondition {
        problems.extend([example(&Reason::Stale), Problem::precondition_required()]);
    }
    if has_parameter(operation, repeat::NAME) {
        let about_the_key = [Reason::Invalid, Reason::IdempotencyInFlight, Reason::IdempotencyMismatch];
        problems.extend(about_the_key.iter().map(example));
    }
    let always = [Reason::RateLimited, Reason::Internal, Reason::Unavailable, Reason::DeadlineExceeded];
    problems.extend(always.iter().map(example));
    problems
}

fn has_parameter(operation: &Operation, name: &str) -> bool {
    parameters(operation).any(|parameter| parameter.name == name)
}

fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    operation.parameters.iter().flatten().filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    })
}

/// A fault as a client may meet it.
fn example(reason: Reason) -> Fault {
    let fault = Fault::of(reason);
    match reason {
        Reason::Invalid => fault.with_field("field", "is required"),
        Reason::Unsupported => fault.with_field("rrule", "recurrence is not supported yet"),
        Reason::ParticipantUnknown => fault.with_names(vec!["mallory".to_owned()]),
        _ => fault,
    }
}

fn answer(problems: &[Problem]) -> Response {
    let codes: Vec<String> = problems.iter().map(|problem| format!("`{}`", problem.code())).collect();
    let examples = problems.iter().map(|problem| {
        let value = problem.document(REQUEST_ID);
        (problem.code(), ExampleBuilder::new().value(Some(value)).build())
    });
    let schema: RefOr<Schema> = Ref::from_schema_name(SCHEMA).into();
    let content: Content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples).build();
    let response =
        ResponseBuilder::new().description(codes.join(", ")).content("application/problem+json", content);
    match problems.iter().map(|problem| problem.status().as_u16()).next() {
        Some(429 | 503) => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build();
            let header = HeaderBuilder::new()
                .schema(Some(seconds))
                .description(Some("Seconds until it is worth another try"));
            response.header("Retry-After", header.build()).build()
        }
        _ => response.build(),
    }
}

/// RFC 9457, with our members.
pub(super) fn problem_schema() -> Schema {
    let text = |about: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(about)).build();
    let status = ObjectBuilder::new().schema_type(Type::Integer).description(Some("The HTTP status"));
    let field = ObjectBuilder::new()
        .property("field", text("The field, parameter or header"))
        .required("field")
        .property("message", text("What is wrong with it"))
        .required("message");
    let errors = ArrayBuilder::new().items(field).description(Some("The fields at fault, where fields are"));
    let names =
        ArrayBuilder::new().items(text("A name")).description(Some("The names at fault, where names are"));
    let object = ObjectBuilder::new()
        .description(Some("A failure (RFC 9457). `docs/ERRORS.md` lists the codes."))
        .property("type", text("`urn:shared-calendar:problem:` and the code"))
        .property("title", text("The code, for people"))
        .property("status", status)
        .property("detail", text("This failure, for people"))
        .property("code", text("Stable; the same spelling on sockets"))
        .property("request_id", text("Finds the request in the logs"))
        .property("errors", errors)
        .property("names", names)
        .examples([Problem::from(example(Reason::Invalid)).document(REQUEST_ID)]);
    let required = ["type", "title", "status", "detail", "code", "request_id"];
    required.into_iter().fold(object, ObjectBuilder::required).build().into()
}
