//! Window rows, funnel, placements and checkpoints over HTTP, on a clock that the test moves.

use super::{FullLog, Response, Service};
use crate::http::{App, HttpOptions};
use axum::Router;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use vitrina_engine::{Engine, EngineOptions, Ports};
use vitrina_ports::log::memory::MemoryLog;
use vitrina_types::time::{EventTime, IngestTime};

/// A moment at which a window of 10 minutes begins: 2027-01-15T08:00:00Z.
const BEGIN: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const DEADLINE: Duration = Duration::from_secs(30);

struct Shop {
    service: Service,
    clock: Arc<AtomicI64>,
}

impl Shop {
    async fn open() -> Self {
        let clock = Arc::new(AtomicI64::new(BEGIN + MINUTE));
        let read = Arc::clone(&clock);
        let full = Arc::default();
        let log = FullLog {
            inner: MemoryLog::new(),
            full: Arc::clone(&full),
        };
        let ports = Ports {
            log: Arc::new(log),
            ..Ports::in_memory()
        };
        let options = EngineOptions {
            tick_interval: Duration::from_millis(10),
            ..EngineOptions::default()
        };
        let clock_read = Arc::new(move || IngestTime(read.load(Ordering::Relaxed)));
        let engine = Engine::start(ports, options, clock_read).await.unwrap();
        let app = App::new(Arc::clone(&engine), HttpOptions::default());
        let service = Service {
            router: crate::http::router(app.clone(), Router::new()),
            engine,
            app,
            full,
        };
        Self { service, clock }
    }

    fn now(&self, after_begin_ms: i64) {
        self.clock.store(BEGIN + after_begin_ms, Ordering::Relaxed);
    }

    async fn send(&self, kind: &str, visitor: &str, product: &str, after_begin_ms: i64) {
        let event = json!({
            "event_type": kind, "user_id": visitor, "product_id": product, "price": 2.5,
            "quantity": 2, "event_time": BEGIN + after_begin_ms,
        });
        let taken = self.service.post("/v1/events", &event).await;
        assert_eq!(
            taken.status,
            202,
            "{}",
            String::from_utf8_lossy(&taken.body)
        );
    }

    /// Asks until the answer is as wanted.
    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let found = self.service.get(path).await;
            assert_eq!(
                found.status,
                200,
                "{}",
                String::from_utf8_lossy(&found.body)
            );
            let found = found.json();
            if wanted(&found) {
                return found;
            }
            assert!(began.elapsed() < DEADLINE, "{path}: {found}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn period(after_begin_ms: i64) -> String {
    let to = EventTime(BEGIN + after_begin_ms);
    format!("from={}&to={to}", EventTime(BEGIN))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_makes_a_newer_pane_and_a_later_one_is_counted_as_late() {
    let shop = Shop::open().await;
    shop.send("view", "u1", "p1", 10_000).await;
    shop.send("view", "u2", "p1", 11_000).await;
    shop.send("purchase", "u1", "p1", 20_000).await;
    let rows = format!(
        "/v1/analytics/rows?dimension=product&id=p1&step=10m&{}",
        period(60 * MINUTE)
    );
    // The window is closed: the watermark is 5 s behind the clock.
    shop.now(10 * MINUTE + 10_000);
    let told = shop.until(&rows, |page| page["rows"][0].is_object()).await;
    let want = json!({"rows": [{
        "key": {"dimension": "product", "id": "p1"},
        "window": {"start": "2027-01-15T08:00:00Z", "end": "2027-01-15T08:10:00Z"},
        "events": {"view": 2, "purchase": 1},
        "pieces": 2,
        "revenue": [{"currency": "USD", "amount": 5.0}],
        "visitors": 2,
        "conversion": 0.5,
    }]});
    assert_eq!(told, want);
    // Late, but within the grace of five minutes: a newer pane replaces the row.
    shop.send("view", "u3", "p1", 30_000).await;
    shop.now(11 * MINUTE);
    let again = shop
        .until(&rows, |page| page["rows"][0]["events"]["view"] == 3)
        .await;
    assert_eq!(again["rows"].as_array().unwrap().len(), 1);
    assert_eq!(again["rows"][0]["visitors"], 3);
    // Later than that: counted as late, in no row.
    shop.now(20 * MINUTE);
    let late = |status: &Value| {
        let stages = status["stages"].as_array().unwrap().iter();
        let delay = stages.filter_map(|stage| stage["watermark_delay_s"].as_f64());
        delay.fold(0.0, f64::max) <= 10.0 && status["lag"]["rows"] == 0
    };
    shop.until("/v1/status", late).await;
    shop.send("view", "u4", "p1", 40_000).await;
    let status = shop
        .until("/v1/status", |status| status["late_events"] != 0)
        .await;
    let listed = shop
        .until("/v1/late-events", |page| page["late_events"][0].is_object())
        .await;
    assert_eq!(
        listed["late_events"][0]["window_start"],
        "2027-01-15T08:00:00Z"
    );
    assert_eq!(status["sinks"].as_array().unwrap().len(), 3, "{status}");
    let after = shop.until(&rows, |_| true).await;
    assert_eq!(after["rows"][0]["events"]["view"], 3);
    metrics_say_it(&shop).await;
    shop.service.engine.shutdown().await;
}

async fn metrics_say_it(shop: &Shop) {
    let metrics = shop.service.get("/metrics").await;
    let metrics = String::from_utf8(metrics.body).unwrap();
    for line in [
        "# TYPE vitrina_lag_records gauge",
        "# HELP vitrina_lag_records Records waiting for a stage",
        "vitrina_lag_records{stage=\"users\"} ",
        "vitrina_lag_records{stage=\"shop\"} 0",
        "# UNIT vitrina_watermark_delay_seconds seconds",
        "vitrina_watermark_delay_seconds{stage=\"users\"} 5.0",
        "vitrina_open_windows{stage=\"users\"} ",
        "# TYPE vitrina_late_events counter",
        "vitrina_late_events_total{stage=\"users\"} ",
        "vitrina_sink_lag_records{sink=\"analytics-sink\"} ",
        "vitrina_sink_lag_records{sink=\"catalogue-sink\"} 0",
        "vitrina_sink_lag_records{sink=\"requests\"} 0",
        "vitrina_retries_total 0",
        "vitrina_dead_letters_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    assert!(
        !metrics.contains("vitrina_checkpoint"),
        "none are taken here"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_funnel_counts_sessions_that_ended() {
    let shop = Shop::open().await;
    for (visitor, kinds) in [
        ("a", &["view"][..]),
        ("b", &["view", "add_to_cart"]),
        ("c", &["purchase"]),
    ] {
        for kind in kinds {
            shop.send(kind, visitor, "p1", 10_000).await;
        }
    }
    shop.now(60 * MINUTE);
    let path = format!("/v1/analytics/funnel?{}", period(60 * MINUTE));
    let funnel = shop.until(&path, |funnel| funnel["sessions"] == 3).await;
    let want = json!({
        "from": "2027-01-15T08:00:00Z", "to": "2027-01-15T09:00:00Z",
        "sessions": 3, "viewed": 3, "carted": 2, "purchased": 1,
    });
    assert_eq!(funnel, want);
    let sessions = format!(
        "/v1/analytics/rows?dimension=session&step=1h&{}",
        period(60 * MINUTE)
    );
    let sessions = shop.until(&sessions, |_| true).await;
    assert_eq!(sessions["rows"].as_array().unwrap().len(), 3, "{sessions}");
    let before = "/v1/analytics/funnel?from=0&to=1000";
    assert_eq!(shop.until(before, |_| true).await["sessions"], 0);
    shop.service.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_join_and_steps_are_those_of_a_zone() {
    let shop = Shop::open().await;
    for n in 0..7 {
        let product = format!("p{n}");
        shop.send("view", "u1", &product, 10_000 + n).await;
        shop.now(15 * MINUTE);
        shop.send("view", "u1", &product, 12 * MINUTE + n).await;
    }
    shop.now(30 * MINUTE);
    let rows = format!(
        "/v1/analytics/rows?dimension=product&step=1d&zone_offset=%2B03:00&{}",
        period(30 * MINUTE)
    );
    let is_whole = |page: &Value| {
        let rows = page["rows"].as_array().unwrap();
        rows.len() == 7 && rows.iter().all(|row| row["events"]["view"] == 2)
    };
    let whole = shop.until(&rows, is_whole).await;
    assert_eq!(
        whole["rows"][0]["window"],
        json!({"start": "2027-01-14T21:00:00Z", "end": "2027-01-15T21:00:00Z"})
    );
    let (mut joined, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop
            .until(&format!("{rows}&limit=3{cursor}"), |_| true)
            .await;
        joined.extend(page["rows"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(Value::from(joined), whole["rows"]);
    let narrower = rows
        .replace("1d", "10m")
        .replace("product&", "product&id=p3&");
    let two = shop.until(&narrower, |_| true).await;
    assert_eq!(two["rows"].as_array().unwrap().len(), 2, "{two}");
    shop.service.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn placements_are_split_into_placement_and_source() {
    let shop = Shop::open().await;
    shop.send("view", "u1", "p1", 10_000).await;
    shop.service.engine.settled().await;
    let answer = shop
        .service
        .get("/v1/recommendations/u2?placement=home")
        .await
        .json();
    let item = &answer["items"][0];
    let click = json!({
        "event_type": "click", "user_id": "u2", "product_id": item["product_id"],
        "slate_id": answer["slate_id"], "event_time": BEGIN + 61_000,
    });
    assert_eq!(shop.service.post("/v1/events", &click).await.status, 202);
    shop.now(30 * MINUTE);
    let path = format!("/v1/analytics/placements?{}", period(30 * MINUTE));
    let clicked = |row: &Value| row["events"]["click"] == 1;
    let found = shop.until(&path, |page| {
        page["placements"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| clicked(row))
            .count()
            == 2
    });
    let found = found.await;
    let rows = found["placements"].as_array().unwrap();
    let all = rows.iter().find(|row| row["source"].is_null()).unwrap();
    assert_eq!(all["placement"], "home");
    assert!(all["events"]["impression"].as_u64() >= Some(1), "{found}");
    let of_source = rows
        .iter()
        .find(|row| row["source"] == item["source"])
        .unwrap();
    assert_eq!(of_source["placement"], "home");
    shop.service.engine.shutdown().await;
}

fn is_refused(found: &Response, status: u16, code: &str, field: &str, name: &str) {
    found.is_problem(status, code, name);
    assert_eq!(found.json()["field"], field, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_name_the_parameter_at_fault() {
    let service = Service::start().await;
    #[rustfmt::skip]
    let cases = [
        ("rows?dimension=shop",                                  400, "unknown_dimension",   "dimension"),
        ("rows",                                                 400, "missing_field",       "dimension"),
        ("rows?dimension=product&id=",                           400, "out_of_range",        "id"),
        ("rows?dimension=product&step=5m",                       400, "out_of_range",        "step"),
        ("rows?dimension=product&zone_offset=3",                 400, "invalid_zone_offset", "zone_offset"),
        ("rows?dimension=product&zone_offset=%2B05:45",          422, "out_of_range",        "zone_offset"),
        ("rows?dimension=product&limit=0",                       400, "out_of_range",        "limit"),
        ("rows?dimension=product&limit=1001",                    400, "out_of_range",        "limit"),
        ("rows?dimension=product&cursor=c1aa",                   400, "invalid_cursor",      "cursor"),
        ("rows?dimension=product&from=yesterday",                400, "invalid_time",        "from"),
        ("rows?dimension=product&from=2000&to=1000",             422, "out_of_range",        "from"),
        ("rows?dimension=product&since=1",                       400, "unknown_parameter",   "since"),
        ("placements?id=home",                                   400, "unknown_parameter",   "id"),
        ("funnel?step=1h",                                       400, "unknown_parameter",   "step"),
        ("funnel?from=2026-01-01T00:00:00Z&to=2026-12-01T00:00:00Z", 422, "out_of_range",    "from"),
    ];
    for (path, status, code, field) in cases {
        let found = service.get(&format!("/v1/analytics/{path}")).await;
        is_refused(&found, status, code, field, path);
    }
    let none = service
        .get("/v1/analytics/rows?dimension=brand")
        .await
        .json();
    assert_eq!(none, json!({"rows": []}));
    let checkpoints = service.get("/v1/checkpoints").await.json();
    assert_eq!(checkpoints, json!({"checkpoints": [], "damaged": []}));
}
