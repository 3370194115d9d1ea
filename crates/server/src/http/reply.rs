//! Answers as JSON: serialised once, into one buffer.

use super::problem::Problem;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde::Serialize;

/// Most answers fit, so that the buffer grows once or never.
const BUFFER_BYTES: usize = 2_048;

/// What a route answers.
pub type Reply = Result<Response, Problem>;

/// `200` with a JSON body.
///
/// # Errors
/// None in practice: our bodies have string keys and finite depth.
pub fn ok(body: &impl Serialize) -> Reply {
    json(StatusCode::OK, body)
}

/// A JSON body with any status.
///
/// # Errors
/// None in practice: our bodies have string keys and finite depth.
pub fn json(status: StatusCode, body: &impl Serialize) -> Reply {
    let mut bytes = Vec::with_capacity(BUFFER_BYTES);
    serde_json::to_writer(&mut bytes, body)
        .map_err(|error| Problem::internal(&format!("an answer does not serialise: {error}")))?;
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// `204`.
pub fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Adds the version of a record as its entity tag.
#[must_use]
pub fn with_version(mut response: Response, version: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
