//! The console over HTTP, on a source with fixed values.

pub(crate) mod fake;
mod fake_stream;
mod golden;
mod real;
mod safety;
mod stream;

use super::{ConsoleApp, Ticker, router};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use fake::Fake;
use std::sync::Arc;
use tower::ServiceExt;

/// Every page, with what it needs.
pub(crate) const PAGES: [&str; 9] = [
    "/",
    "/console/visitor",
    "/console/visitor?id=541312140",
    "/console/products",
    "/console/slate",
    "/console/slate/01JNABCDEFGHJKMNPQRSTVWX00",
    "/console/dead-letters",
    "/console/stream",
    "/console/system",
];

pub(crate) fn console(fake: Fake) -> (Router, Ticker, Arc<Fake>) {
    let fake = Arc::new(fake);
    let (app, ticker) = ConsoleApp::new(fake.clone());
    (router(app), ticker, fake)
}

pub(crate) async fn get(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    send(
        router,
        Request::get(path)
            .header("host", "127.0.0.1:8000")
            .body(Body::empty())
            .unwrap(),
    )
    .await
}

pub(crate) async fn send(
    router: &Router,
    request: Request<Body>,
) -> (StatusCode, HeaderMap, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1 << 24).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Not a test: serves the fake, to look at. `cargo test -p vitrina-server --lib console -- --ignored`
#[tokio::test]
#[ignore = "serves until it is stopped"]
async fn serve_the_fake() {
    let (busy, ticker, fake) = console(Fake::busy());
    for _ in 0..290 {
        ticker.tick();
        fake.pass(1);
    }
    let clock = async move {
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            fake.pass(1);
        }
    };
    tokio::spawn(clock);
    tokio::spawn(ticker.run(std::future::pending()));
    let (empty, _, _) = console(Fake::empty());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8391")
        .await
        .unwrap();
    let quiet = tokio::net::TcpListener::bind("127.0.0.1:8392")
        .await
        .unwrap();
    let (_, _) = tokio::join!(axum::serve(listener, busy), axum::serve(quiet, empty));
}
