//! Import of old events over HTTP, exactly once: for `vitrina import` against a running service.

use super::body::{self, Held};
use super::events::raw;
use super::extract::{Params, PathId, WHOLE_MAX};
use super::problem::Problem;
use super::reply::{self, Reply};
use super::schema::problems::{FindProblems, ImportProblems};
use super::schema::receipt::{ImportPosition, IntakeReceipt};
use super::split::{Form, Split, split};
use super::state::App;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use std::net::SocketAddr;
use vitrina_types::id::EventId;
use vitrina_types::limits::EVENTS_PER_REQUEST_MAX;

/// Lets a request pass that comes from this machine, or that showed a key.
///
/// An import is trusted more than a shop's events: its events are never late.
pub struct Trusted;

impl FromRequestParts<App> for Trusted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let is_near = peer.is_none_or(|ConnectInfo(address)| address.ip().is_loopback());
        // With keys configured nobody comes this far without one.
        if is_near || !app.options.keys.is_empty() {
            return Ok(Self);
        }
        Err(Problem::new(
            StatusCode::FORBIDDEN,
            "not_from_here",
            "imports come from this machine, or need an API key to be configured",
        ))
    }
}

/// The source, checked like any id.
fn source(path: &PathId) -> Result<String, Problem> {
    let id = path.read("source", EventId::new)?;
    Ok(id.to_string())
}

/// How far an import has come
#[utoipa::path(
    get,
    path = "/v1/imports/{source}",
    operation_id = "import_position",
    tag = "imports",
    params(("source" = String, Path, description = "Fingerprint of the file", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$")),
    responses((status = 200, description = "The next position to send", body = ImportPosition), FindProblems)
)]
pub async fn position(_: Trusted, State(app): State<App>, path: PathId, params: Params) -> Reply {
    params.end()?;
    let source = source(&path)?;
    let position = app.engine.import_position(&source).await?;
    reply::ok(&ImportPosition { source, position })
}

/// Takes in old events, exactly once
///
/// Events and the position `next` of their source are one write: the same part sent twice is
/// refused with `409` the second time. Waits while the stream is far behind.
#[utoipa::path(
    post,
    path = "/v1/imports/{source}",
    operation_id = "import_events",
    tag = "imports",
    params(
        ("source" = String, Path, description = "Fingerprint of the file", min_length = 1, max_length = 128, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"),
        ("expected" = Option<u64>, Query, description = "Where the source stands; absent at its beginning", nullable = false, minimum = 0, maximum = 9007199254740991u64),
        ("next" = u64, Query, description = "Where it stands after this part", minimum = 0, maximum = 9007199254740991u64),
    ),
    request_body(
        description = "One event a line",
        content((String = "application/x-ndjson"), (String = "text/plain"))
    ),
    responses((status = 202, description = "Events and position are durable", body = IntakeReceipt), ImportProblems)
)]
pub async fn take_in_old(
    _: Trusted,
    State(app): State<App>,
    path: PathId,
    mut params: Params,
    headers: HeaderMap,
    body: Body,
) -> Reply {
    let source = source(&path)?;
    let expected = params.number("expected", 0..=WHOLE_MAX)?;
    let next = params.number("next", 0..=WHOLE_MAX)?.ok_or_else(|| {
        Problem::bad_field(
            "missing_parameter",
            "next",
            "next says where the source stands after",
        )
    })?;
    params.end()?;
    if expected.is_some_and(|expected| next < expected) {
        let detail = "next lies behind expected";
        return Err(Problem::bad_field("out_of_range", "next", detail));
    }
    let form = match Form::of(&headers)? {
        Form::Unsaid => Form::Lines,
        said => said,
    };
    let Held { bytes, share } = body::read(&headers, body, &app.budget).await?;
    let events = match split(&bytes, form, EVENTS_PER_REQUEST_MAX) {
        Ok(Split::One(one)) => vec![raw(one)],
        Ok(Split::Many(many)) => many.into_iter().map(raw).collect(),
        // The last part of a file may hold nothing but its end.
        Err(problem) if problem.code == "empty_body" => Vec::new(),
        Err(problem) => return Err(problem),
    };
    let receipt = app.engine.import(&source, expected, next, events).await?;
    drop(share);
    reply::json(StatusCode::ACCEPTED, &IntakeReceipt::from(receipt))
}
