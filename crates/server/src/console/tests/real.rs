//! The console on a real engine over in-memory ports: what it shows is what happened.

use super::fake::HOSTILE;
use super::{get, send};
use crate::console::{ConsoleApp, EngineSource, router};
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use std::sync::Arc;
use vitrina_engine::{Engine, EngineOptions, Ports, RawEvent};
use vitrina_ports::catalogue::Expect;
use vitrina_types::id::ProductId;
use vitrina_types::product::Product;
use vitrina_types::time::{EventTime, IngestTime};

const NOW_MS: i64 = super::fake::NOW.0;

async fn start() -> (Arc<Engine>, Router) {
    let ports = Ports::in_memory();
    let clock = Arc::new(|| IngestTime(NOW_MS));
    let engine = Engine::start(ports, EngineOptions::default(), clock)
        .await
        .unwrap();
    let source = EngineSource::new(Arc::clone(&engine), Vec::new());
    let (app, _) = ConsoleApp::new(Arc::new(source));
    (engine, router(app))
}

async fn fill(engine: &Engine) {
    let product = |n: usize| {
        let id = ProductId::new(&format!("p{n}")).unwrap();
        let mut product = Product::bare(id, EventTime(NOW_MS - 1_000));
        product.title = (n == 2).then(|| HOSTILE.into());
        product.brand = Some("acme".into());
        product.category_path = vec!["home".into(), "lamp".into()];
        (product, Expect::Any)
    };
    engine
        .put_products((0..60).map(product).collect(), true)
        .await
        .unwrap();
    let mut events = Vec::new();
    for (visitor, id) in [
        ("user_id", "u1"),
        ("user_id", "u2"),
        ("anonymous_id", "ck-1"),
    ] {
        for n in 0..5 {
            let event =
                format!(r#"{{"event_type":"view","{visitor}":"{id}","product_id":"p{n}"}}"#);
            events.push(RawEvent::Json(event.into()));
        }
    }
    events.push(RawEvent::Json(HOSTILE.into()));
    engine.ingest(events, "POST /v1/events").await.unwrap();
    engine.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_shop_says_what_to_do() {
    let (engine, router) = start().await;
    let (_, _, html) = get(&router, "/").await;
    assert!(html.contains("No events yet") && html.contains("http://127.0.0.1:8000/v1/events"));
    for (path, words) in [
        ("/console/products", "No products yet"),
        ("/console/dead-letters", "None: everything was understood"),
        ("/console/visitor?id=u1", "Nothing known of"),
        ("/console/slate", "No answers yet"),
        ("/console/system", "user-events"),
    ] {
        let (_, _, html) = get(&router, path).await;
        assert!(html.contains(words), "{path}: {html}");
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_their_slate_and_why() {
    let (engine, router) = start().await;
    fill(&engine).await;
    for id in ["u1", "ck-1"] {
        let (status, _, html) = get(&router, &format!("/console/visitor?id={id}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(html.contains("view <strong>5</strong>"), "{html}");
        assert!(!html.contains("<img"), "markup from a title");
        assert!(
            html.contains("new in the catalogue") || html.contains("popular in"),
            "{html}"
        );
        let slate = html.split("/console/slate/").nth(1).unwrap();
        let slate = slate.split('"').next().unwrap();
        let (status, _, html) = get(&router, &format!("/console/slate/{slate}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            html.contains("Final order") && html.contains("popularity"),
            "{html}"
        );
        assert!(!html.contains("<img"), "markup from a title");
    }
    let (_, _, html) = get(&router, "/").await;
    assert!(
        html.contains("acme · lamp · p0") && html.contains("console"),
        "{html}"
    );
    let (_, _, html) = get(&router, "/console/dead-letters").await;
    assert!(
        html.contains("1 of 1 shown") && !html.contains("<img"),
        "{html}"
    );
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_found_paged_banned_and_lifted() {
    let (engine, router) = start().await;
    fill(&engine).await;
    let (_, _, html) = get(&router, "/console/products").await;
    assert!(
        html.contains("50 shown") && html.contains("after="),
        "{html}"
    );
    let next = html
        .split("&amp;after=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let (_, _, html) = get(&router, &format!("/console/products?after={next}")).await;
    assert!(
        html.contains("10 shown") && html.contains("first page"),
        "{html}"
    );
    let (_, _, html) = get(&router, "/console/products?q=ONERROR").await;
    assert!(
        html.contains("1 shown") && html.contains("p2") && !html.contains("<img"),
        "{html}"
    );
    for (banned, button) in [
        (true, "Lift ban"),
        (false, "Ban</button>"),
        (false, "Ban</button>"),
    ] {
        let request = Request::post("/console/products/ban")
            .header("host", "127.0.0.1:8000")
            .header("origin", "http://127.0.0.1:8000")
            .header("hx-request", "true")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("product_id=p7&banned={banned}")));
        let (status, _, row) = send(&router, request.unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        assert!(row.contains(button), "{row}");
        let (_, _, html) = get(&router, "/console/products?q=p7").await;
        assert_eq!(html.contains("tag bad"), banned, "{html}");
    }
    engine.shutdown().await;
}
