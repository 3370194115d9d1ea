//! Errors on the wire: RFC 9457 `application/problem+json`, for every error without exception.
//!
//! A problem names a stable code and, where there is one, the field at fault. It never carries
//! internals: what a store or a panic said goes to the log.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use tracing::warn;
use utoipa::ToSchema;
use vitrina_types::event::Rejection;

use super::schema::receipt::RejectedItem;

/// The media type of problems.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// Why a request was not served.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, for a program.
    pub code: Cow<'static, str>,
    /// The field or parameter at fault.
    pub field: Option<Cow<'static, str>>,
    /// What is wrong and what is expected, for a person.
    pub detail: String,
    /// Of a batch of which nothing was taken: every item with its fault.
    pub rejected: Vec<RejectedItem>,
    /// Seconds until it is worth trying again; sent as `Retry-After`.
    pub retry_after_s: Option<u32>,
}

/// Why a request was not served (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Names the kind of problem: `urn:vitrina:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:vitrina:problem:out_of_range")]
    pub kind: String,
    /// The status in words.
    #[schema(example = "Bad Request")]
    pub title: &'a str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    pub status: u16,
    /// What is wrong and what is expected, for a person.
    #[schema(example = "limit lies between 1 and 200")]
    pub detail: &'a str,
    /// Stable, for a program.
    #[schema(pattern = "^[a-z][a-z0-9_]*$", example = "out_of_range")]
    pub code: &'a str,
    /// The field or parameter at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "limit")]
    pub field: Option<&'a str>,
    /// Of a batch of which nothing was taken: every item with its fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    pub rejected: &'a [RejectedItem],
}

impl Problem {
    /// A problem with this status and code.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::coded(status, code.into(), detail.into())
    }

    fn coded(status: StatusCode, code: Cow<'static, str>, detail: String) -> Self {
        Self {
            status,
            detail,
            code,
            field: None,
            rejected: Vec::new(),
            retry_after_s: None,
        }
    }

    /// `400`: the request is wrong.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// `400`: one parameter or field is wrong.
    pub fn bad_field(
        code: &'static str,
        field: impl Into<Cow<'static, str>>,
        detail: impl Into<String>,
    ) -> Self {
        let mut problem = Self::bad_request(code, detail);
        problem.field = Some(field.into());
        problem
    }

    /// `422`: the request reads well, but a field says what cannot be.
    pub fn unprocessable(rejection: Rejection) -> Self {
        let mut problem = Self::from(rejection);
        problem.status = StatusCode::UNPROCESSABLE_ENTITY;
        problem
    }

    /// `404`: the thing asked for is not there.
    pub fn not_found(what: &str) -> Self {
        let detail = format!("no {what} with this id");
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// `413`.
    pub fn too_large(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
    }

    /// `415`.
    pub fn unsupported(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail)
    }

    /// `500`: a bug of ours. `said` goes to the log, not to the caller.
    pub fn internal(said: &str) -> Self {
        warn!(said, "internal error");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the service failed on this request; its log says why",
        )
    }

    /// `503`, worth trying again.
    pub fn busy(code: &'static str, detail: impl Into<String>, retry_after_s: u32) -> Self {
        let mut problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.retry_after_s = Some(retry_after_s);
        problem
    }

    /// Makes `429` or `507` of it, worth trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let mut problem = Self::coded(StatusCode::BAD_REQUEST, rejection.code, rejection.detail);
        problem.field = Some(rejection.field).filter(|field| !field.is_empty());
        problem
    }
}

impl<'a> From<&'a Problem> for ProblemBody<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            kind: format!("urn:vitrina:problem:{}", problem.code),
            title: problem.status.canonical_reason().unwrap_or("Error"),
            status: problem.status.as_u16(),
            detail: &problem.detail,
            code: &problem.code,
            field: problem.field.as_deref(),
            rejected: &problem.rejected,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings and numbers always serialise.
        let body = serde_json::to_vec(&ProblemBody::from(&self)).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_looks_like_this() {
        let problem = Problem::bad_field("out_of_range", "limit", "limit lies between 1 and 200");
        let json = serde_json::to_value(ProblemBody::from(&problem)).unwrap();
        let want = serde_json::json!({
            "type": "urn:vitrina:problem:out_of_range",
            "title": "Bad Request",
            "status": 400,
            "detail": "limit lies between 1 and 200",
            "code": "out_of_range",
            "field": "limit",
        });
        assert_eq!(json, want);
    }

    #[test]
    fn a_rejection_without_a_field_names_none() {
        let problem = Problem::from(Rejection::new("invalid_utf8", "", "not UTF-8"));
        assert!(problem.field.is_none());
        let response = Problem::busy("overloaded", "later", 2).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_TYPE);
    }
}
