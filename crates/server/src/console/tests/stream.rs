//! The live stream as a browser reads it.

use super::console;
use super::fake::Fake;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tower::ServiceExt;

async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.unwrap();
    Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
}

fn json(message: &str, event: &str) -> serde_json::Value {
    let text = message
        .strip_prefix(&format!("event: {event}\ndata: "))
        .unwrap();
    assert!(text.ends_with("\n\n") && !text.trim_end().contains('\n'));
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn history_comes_first_then_figures_and_the_end_when_the_ticker_stops() {
    let (router, ticker, fake) = console(Fake::busy());
    for _ in 0..400 {
        ticker.tick();
        fake.pass(1);
    }
    let request = Request::get("/console/live").body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    assert_eq!(next(&mut body).await.as_deref(), Some("retry: 2000\n\n"));
    let history = json(&next(&mut body).await.unwrap(), "history");
    for (key, column) in history.as_object().unwrap() {
        assert_eq!(column.as_array().unwrap().len(), 300, "{key}");
    }
    ticker.tick();
    let figures = json(&next(&mut body).await.unwrap(), "figures");
    for key in history.as_object().unwrap().keys() {
        assert!(
            figures[key].is_number(),
            "{key} is in the history and not in the figures"
        );
    }
    assert_eq!(figures["top"].as_array().unwrap().len(), 10);
    assert_eq!(figures["slates"][3]["visitor_id"], serde_json::Value::Null);
    drop(ticker);
    assert_eq!(next(&mut body).await, None);
}

/// Every figure a tile is bound to is in the stream: else the tile would stand still.
#[tokio::test]
async fn tiles_are_fed() {
    let (router, ticker, fake) = console(Fake::busy());
    for _ in 0..3 {
        ticker.tick();
        fake.pass(1);
    }
    for page in ["/", "/console/stream"] {
        let (_, _, html) = super::get(&router, page).await;
        let request = Request::get("/console/live").body(Body::empty()).unwrap();
        let mut body = router.clone().oneshot(request).await.unwrap().into_body();
        next(&mut body).await;
        next(&mut body).await;
        fake.pass(1);
        ticker.tick();
        let figures = json(&next(&mut body).await.unwrap(), "figures");
        let bound: Vec<_> = html.split("data-live=\"").skip(1).collect();
        assert_eq!(bound.len(), 7, "{page}");
        for rest in bound {
            let key = rest.split('"').next().unwrap();
            assert!(figures[key].is_number(), "{page}: {key}");
        }
    }
}

/// Every series of a chart is in the history: else it would stay empty.
#[tokio::test]
async fn charts_are_fed() {
    let (router, ticker, fake) = console(Fake::busy());
    for _ in 0..3 {
        ticker.tick();
        fake.pass(1);
    }
    let request = Request::get("/console/live").body(Body::empty()).unwrap();
    let mut body = router.clone().oneshot(request).await.unwrap().into_body();
    next(&mut body).await;
    let history = json(&next(&mut body).await.unwrap(), "history");
    for page in ["/", "/console/stream"] {
        let (_, _, html) = super::get(&router, page).await;
        for rest in html.split("data-series=\"").skip(1) {
            for series in rest.split('"').next().unwrap().split(',') {
                let key = series.trim().split('=').next().unwrap();
                assert!(history[key].is_array(), "{page}: {key}");
            }
        }
    }
}
