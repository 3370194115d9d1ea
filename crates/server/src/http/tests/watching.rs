//! Health, metrics, the document, keys, errors of every kind.

use super::{Response, Service};
use crate::http::{ApiKey, HttpOptions, Scope, openapi};
use axum::body::{Body, HttpBody};
use axum::http::Request;
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    let service = Service::start().await;
    service
        .get("/nowhere")
        .await
        .is_problem(404, "no_such_path", "path");
    service
        .get("/docs/nothing.js")
        .await
        .is_problem(404, "no_such_path", "docs");
    let wrong = service.get("/v1/events").await;
    wrong.is_problem(405, "method_not_allowed", "method");
    assert_eq!(wrong.headers["allow"], "POST");
    let panicked = service.get("/panic").await;
    panicked.is_problem(500, "internal_error", "panic");
    assert!(!String::from_utf8_lossy(&panicked.body).contains("secret"));
    assert_eq!(
        service.get("/health/live").await.status,
        200,
        "after the panic"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_request_ends() {
    let options = HttpOptions {
        request_timeout: Duration::ZERO,
        ..HttpOptions::default()
    };
    let service = Service::with(options).await;
    let stalled = Body::new(Stalled);
    let request = Request::post("/v1/events").header("content-type", "application/json");
    let response = service.send(request.body(stalled).unwrap()).await;
    response.is_problem(503, "timed_out", "slow");
}

/// A body of which nothing ever arrives.
struct Stalled;

impl HttpBody for Stalled {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        Poll::Pending
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_figures() {
    let service = Service::start().await;
    assert_eq!(service.get("/health/ready").await.status, 200);
    let metrics = service.get("/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    for name in [
        "vitrina_events_accepted_total 0",
        "vitrina_answer_seconds_bucket{le=\"+Inf\"} 0",
        "vitrina_answer_seconds_count 0",
        "vitrina_http_responses_total{class=\"2xx\"} 1",
        "# TYPE vitrina_freshness_seconds histogram",
    ] {
        assert!(text.contains(name), "{name} in\n{text}");
    }
    assert!(service.get("/v1/status").await.json()["uptime_s"].is_u64());
    service.app.drain();
    service
        .get("/health/ready")
        .await
        .is_problem(503, "not_ready", "draining");
    assert_eq!(service.get("/health/live").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_doors() {
    let options = HttpOptions {
        keys: vec![
            ApiKey::new("full", Scope::Full),
            ApiKey::new("write", Scope::WriteOnly),
        ],
        cors_origins: vec!["https://shop.example".to_owned()],
        ..HttpOptions::default()
    };
    let service = Service::with(options).await;
    let get = |key: &'static str| {
        let request = Request::get("/v1/status").header("authorization", format!("Bearer {key}"));
        service.send(request.body(Body::empty()).unwrap())
    };
    let none = service.get("/v1/status").await;
    none.is_problem(401, "key_required", "none");
    assert_eq!(none.headers["www-authenticate"], "Bearer");
    assert_eq!(get("full").await.status, 200);
    get("write")
        .await
        .is_problem(403, "key_not_allowed", "write-only");
    assert_eq!(service.get("/health/ready").await.status, 200);
    let document = {
        let request = Request::get("/openapi.json").header("x-api-key", "full");
        service
            .send(request.body(Body::empty()).unwrap())
            .await
            .json()
    };
    assert_eq!(document["security"].as_array().unwrap().len(), 2);
    let beacon = |origin: &'static str| {
        let event = r#"{"event_type":"view","user_id":"u","product_id":"p"}"#;
        let request = Request::post("/v1/events")
            .header("origin", origin)
            .header("host", "127.0.0.1")
            .header("x-api-key", "write");
        service.send(request.body(Body::from(event)).unwrap())
    };
    let allowed = beacon("https://shop.example").await;
    assert_eq!(allowed.status, 202);
    assert_eq!(
        allowed.headers["access-control-allow-origin"],
        "https://shop.example"
    );
    beacon("https://evil.example")
        .await
        .is_problem(403, "foreign_origin", "origin");
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (path.clone(), method.clone(), operation))
    });
    all.collect()
}

#[test]
fn the_document_describes_every_route() {
    let document = serde_json::to_value(openapi()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let operations = operations(&document);
    assert!(operations.len() >= 24, "{}", operations.len());
    let mut seen = Vec::new();
    for (path, method, operation) in operations {
        let name = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap().to_owned();
        assert!(!seen.contains(&id), "{name}: operation id {id} twice");
        seen.push(id);
        assert!(operation["summary"].is_string(), "{name}: no summary");
    }
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(
            schemas.contains_key(name),
            "{name} is referred to but not there"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_compression() {
    let service = Service::start().await;
    let docs = service.get("/docs/").await;
    assert_eq!(docs.status, 200);
    let policy = docs.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self'"));
    assert_eq!(docs.headers["x-content-type-options"], "nosniff");
    let packed = |path: &'static str| {
        let request = Request::get(path).header("accept-encoding", "gzip");
        service.send(request.body(Body::empty()).unwrap())
    };
    let is_packed = |response: &Response| response.headers.contains_key("content-encoding");
    assert!(is_packed(&packed("/openapi.json").await));
    assert!(!is_packed(&packed("/health/live").await));
    assert!(!is_packed(&service.get("/openapi.json").await));
}
