//! What surrounds every request: its number, who may ask, how long it may take, and the form of
//! every error.
//!
//! One layer on purpose: each further one costs every answer a box and a copy.

use super::auth;
use super::problem::Problem;
use super::state::App;
use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::net::IpAddr;
use std::time::Instant;
use tracing::debug;

/// Names a request in logs and answers.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id that is taken over from a caller, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;
/// When a request that took too long may be tried again.
const RETRY_AFTER_S: u32 = 1;
/// The policy of pages that bring none: the Swagger UI, which styles its own elements.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; font-src 'self'; base-uri 'none'; \
    frame-ancestors 'none'; form-action 'none'";

/// Serves a request.
pub async fn serve(State(app): State<App>, request: Request, next: Next) -> Response {
    let number = app.counts.begin();
    let id = request_id(request.headers(), number);
    let watched = tracing::enabled!(tracing::Level::DEBUG).then(|| {
        (
            Instant::now(),
            request.method().clone(),
            request.uri().path().to_owned(),
        )
    });
    let mut response = match admit(&app, &request) {
        Err(refused) => *refused,
        Ok(()) => {
            match tokio::time::timeout(app.options.request_timeout, next.run(request)).await {
                Ok(response) => response,
                Err(_) => {
                    let detail = "the request took too long; it may or may not have been served";
                    Problem::busy("timed_out", detail, RETRY_AFTER_S).into_response()
                }
            }
        }
    };
    if response.status().is_client_error() || response.status().is_server_error() {
        response = spelled_out(response);
    }
    seal(&mut response);
    response.headers_mut().insert(REQUEST_ID, id);
    let status = response.status().as_u16();
    app.counts.end(status);
    if let Some((began, method, path)) = watched {
        let took_us = began.elapsed().as_micros() as u64;
        debug!(%method, path, status, took_us, number, "served");
    }
    response
}

/// Lets a request pass, or answers it. The answer is boxed: it is rare, and large.
fn admit(app: &App, request: &Request) -> Result<(), Box<Response>> {
    let (keys, uri) = (&app.options.keys, request.uri());
    if app.options.is_local_only && !names_this_machine(request) {
        let detail = "without API keys this service answers to localhost and 127.0.0.1 only; \
                      configure api_keys to reach it by another name";
        let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign_host", detail);
        return Err(Box::new(problem.into_response()));
    }
    if let Some(response) = auth::sign_in(keys, request.method(), uri) {
        return Err(Box::new(response));
    }
    if !request.method().is_safe() && is_foreign(request, &app.options.cors_origins) {
        let detail = "the request comes from a page of a site that is not on the CORS list";
        let problem = Problem::new(StatusCode::FORBIDDEN, "foreign_origin", detail);
        return Err(Box::new(problem.into_response()));
    }
    if auth::is_beacon(keys, request.method(), uri) {
        return Ok(());
    }
    auth::admit(keys, request.method(), uri.path(), request.headers())
        .map_err(|problem| Box::new(problem.into_response()))
}

/// Whether a request is addressed to this machine by a name that no other site can have.
fn names_this_machine(request: &Request) -> bool {
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().authority().map(|a| a.as_str()));
    let Some(Ok(authority)) = host.map(str::parse::<Authority>) else {
        return false;
    };
    let name = authority.host().trim_matches(['[', ']']);
    let address = name.parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Whether a write comes from a page of a site that was not allowed. Programs send no `Origin`;
/// browsers always do on writes, and without this any page could write to a service on the
/// visitor's own machine.
fn is_foreign(request: &Request, allowed: &[String]) -> bool {
    let headers = request.headers();
    let Some(origin) = headers.get(ORIGIN) else {
        return false;
    };
    let Ok(origin) = origin.to_str() else {
        return true;
    };
    let is_allowed = |site: &String| site == "*" || site.eq_ignore_ascii_case(origin);
    if allowed.iter().any(is_allowed) {
        return false;
    }
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or(authority);
    let from = origin.split_once("://").map(|(_, from)| from);
    match (from, host) {
        (Some(from), Some(host)) => !from.eq_ignore_ascii_case(host),
        _ => true,
    }
}

/// The caller's own id for the request, else its number.
fn request_id(headers: &HeaderMap, number: u64) -> HeaderValue {
    let given = headers.get(REQUEST_ID).filter(|id| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    given.cloned().unwrap_or_else(|| HeaderValue::from(number))
}

/// Gives an error that came without a body its form: an unknown path, a wrong method.
fn spelled_out(response: Response) -> Response {
    if response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    let status = response.status();
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => ("no_such_path", "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => (
            "method_not_allowed",
            "this path does not take this method; Allow says which it does",
        ),
        _ => ("refused", "the request was refused"),
    };
    let mut spelled = Problem::new(status, code, detail).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        spelled.headers_mut().insert(ALLOW, allow.clone());
    }
    spelled
}

/// Headers that keep a browser from guessing types, caching answers and running what is not ours.
fn seal(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let content_type = headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    if content_type.starts_with(b"text/html") && !headers.contains_key(CONTENT_SECURITY_POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    } else if content_type.starts_with(b"application/json") && !headers.contains_key(CACHE_CONTROL)
    {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// The answer to a request whose route panicked.
pub fn after_panic(said: Box<dyn Any + Send + 'static>) -> Response {
    let text = said.downcast_ref::<&str>().copied();
    let text = text.or_else(|| said.downcast_ref::<String>().map(String::as_str));
    Problem::internal(text.unwrap_or("a route panicked")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    #[test]
    fn only_names_of_this_machine_are_its_names() {
        #[rustfmt::skip]
        let cases = [
            ("localhost:8000", true), ("127.0.0.1:8000", true), ("127.0.0.2", true), ("[::1]:8000", true),
            ("LOCALHOST", true), ("evil.example:8000", false), ("127.0.0.1.evil.example", false),
            ("192.168.1.5:8000", false), ("", false),
        ];
        for (host, want) in cases {
            let request = Request::builder()
                .uri("/")
                .header(HOST, host)
                .body(Body::empty());
            assert_eq!(names_this_machine(&request.unwrap()), want, "{host}");
        }
    }

    #[test]
    fn foreign_cases() {
        let allowed = ["https://shop.example".to_owned()];
        #[rustfmt::skip]
        let cases: &[(&str, Option<&str>, bool)] = &[
            ("a program",   None,                          false),
            ("own page",    Some("http://127.0.0.1:8000"), false),
            ("allowed",     Some("https://shop.example"),  false),
            ("other port",  Some("http://127.0.0.1:9000"), true),
            ("other site",  Some("https://evil.example"),  true),
            ("sandbox",     Some("null"),                  true),
        ];
        for (name, origin, want) in cases {
            let mut request = Request::builder()
                .uri("/v1/events")
                .header(HOST, "127.0.0.1:8000");
            if let Some(origin) = origin {
                request = request.header(ORIGIN, *origin);
            }
            let request = request.body(Body::empty()).unwrap();
            assert_eq!(is_foreign(&request, &allowed), *want, "{name}");
        }
    }

    #[test]
    fn a_request_id_is_taken_over_when_it_is_sane() {
        let mut headers = HeaderMap::new();
        assert_eq!(request_id(&headers, 7), "7");
        headers.insert(REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(request_id(&headers, 7), "abc-1");
        headers.insert(REQUEST_ID, HeaderValue::from_static("a b"));
        assert_eq!(request_id(&headers, 7), "7");
    }
}
