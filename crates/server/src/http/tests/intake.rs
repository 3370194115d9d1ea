//! `POST /v1/events`, dead letters, imports.

use super::Service;
use crate::http::HttpOptions;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;
use std::io::Write;
use std::sync::atomic::Ordering;

const GOOD: &str = r#"{"event_type":"view","user_id":"u1","product_id":"p1"}"#;
const BAD: &str = r#"{"event_type":"viewed","user_id":"u1","product_id":"p1"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_taken_in() {
    let service = Service::start().await;
    #[rustfmt::skip]
    let cases: &[(&str, &str, String, u64, u64)] = &[
        ("object",        "application/json",          GOOD.to_owned(),                    1, 0),
        ("array",         "application/json",          format!("[{GOOD},{GOOD}]"),         2, 0),
        ("mixed array",   "application/json",          format!("[{GOOD},{BAD},7]"),        1, 2),
        ("lines",         "application/x-ndjson",      format!("{GOOD}\n\n{GOOD}\r\n"),    2, 0),
        ("mixed lines",   "application/x-ndjson",      format!("{GOOD}\n{{oops\n{GOOD}"),  2, 1),
        ("beacon",        "text/plain;charset=UTF-8",  GOOD.to_owned(),                    1, 0),
        ("beacon lines",  "text/plain",                format!("{GOOD}\n{GOOD}"),          2, 0),
    ];
    for (name, content_type, body, accepted, rejected) in cases {
        let response = service
            .post_as("/v1/events", content_type, body.clone())
            .await;
        assert_eq!(response.status, 202, "{name}");
        let receipt = response.json();
        assert_eq!(receipt["accepted"], *accepted, "{name}");
        assert_eq!(
            receipt["rejected"].as_array().unwrap().len() as u64,
            *rejected,
            "{name}"
        );
        assert!(!receipt["position"].as_str().unwrap().is_empty(), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_refused() {
    let service = Service::start().await;
    let many = format!("[{}]", vec!["1"; 10_001].join(","));
    let large = format!("[{}]", " ".repeat(9 * 1_024 * 1_024));
    let long_id = format!(
        r#"{{"event_type":"view","user_id":"{}","product_id":"p"}}"#,
        "x".repeat(60_000)
    );
    let huge_id = format!(
        r#"{{"event_type":"view","user_id":"{}","product_id":"p"}}"#,
        "x".repeat(5_000_000)
    );
    let deep = format!(
        r#"{{"event_type":"view","user_id":"u","product_id":"p","items":{}{}}}"#,
        "[".repeat(30_000),
        "]".repeat(30_000)
    );
    let year = r#"{"event_type":"view","user_id":"u","product_id":"p","event_time":"9999-12-31T23:59:59Z"}"#;
    let nan = r#"{"event_type":"view","user_id":"u","product_id":"p","price":NaN}"#;
    #[rustfmt::skip]
    let cases: &[(&str, &str, Vec<u8>, u16, &str)] = &[
        ("bad object",    "application/json",     BAD.into(),                        400, "unknown_event_type"),
        ("all bad",       "application/json",     format!("[{BAD},{BAD}]").into(),   400, "all_events_rejected"),
        ("broken array",  "application/json",     format!("[{GOOD},").into(),        400, "invalid_json"),
        ("broken utf-8",  "application/json",     b"[\"\xff\"]".to_vec(),            400, "invalid_utf8"),
        ("empty",         "application/json",     Vec::new(),                        400, "empty_body"),
        ("empty array",   "application/json",     b"[]".to_vec(),                    400, "no_events"),
        ("scalar",        "application/json",     b"7".to_vec(),                     400, "not_an_object"),
        ("too many",      "application/json",     many.into(),                       413, "too_many_events"),
        ("too large",     "application/json",     large.into(),                      413, "body_too_large"),
        ("long id",       "application/json",     long_id.into(),                    400, "invalid_id"),
        ("huge id",       "application/json",     huge_id.into(),                    400, "event_too_large"),
        ("deep",          "application/json",     deep.into(),                       400, "nesting_too_deep"),
        ("year 9999",     "application/json",     year.into(),                       400, "invalid_type"),
        ("nan",           "application/json",     nan.into(),                        400, "invalid_json"),
        ("form",          "application/x-www-form-urlencoded", GOOD.into(),          415, "unsupported_media_type"),
    ];
    for (name, content_type, body, status, code) in cases {
        let response = service
            .post_as("/v1/events", content_type, body.clone())
            .await;
        response.is_problem(*status, code, name);
    }
    let all_bad = service
        .post_as("/v1/events", "application/json", format!("[{BAD}]"))
        .await;
    assert_eq!(all_bad.json()["rejected"][0]["code"], "unknown_event_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_bodies() {
    let service = Service::start().await;
    let text = format!("{GOOD}\n").repeat(1_000).into_bytes();
    let bomb = vec![b'\n'; 64 * 1_024 * 1_024];
    let packed = gzip(&text);
    #[rustfmt::skip]
    let cases: Vec<(&str, &str, Vec<u8>, u16, &str)> = vec![
        ("gzip",      "gzip", packed.clone(),                      202, ""),
        ("zstd",      "zstd", zstd::encode_all(&*text, 1).unwrap(), 202, ""),
        ("truncated", "gzip", packed[..packed.len() / 2].to_vec(), 400, "invalid_compression"),
        ("a lie",     "gzip", text.clone(),                        400, "invalid_compression"),
        ("gzip bomb", "gzip", gzip(&bomb),                         413, "body_too_large"),
        ("zstd bomb", "zstd", zstd::encode_all(&*bomb, 1).unwrap(), 413, "body_too_large"),
        ("brotli",    "br",   text.clone(),                        415, "unsupported_encoding"),
    ];
    for (name, encoding, body, status, code) in cases {
        let request = Request::post("/v1/events")
            .header("content-type", "application/x-ndjson")
            .header("content-encoding", encoding);
        let response = service.send(request.body(Body::from(body)).unwrap()).await;
        if code.is_empty() {
            assert_eq!(response.status.as_u16(), status, "{name}");
            assert_eq!(response.json()["accepted"], 1_000, "{name}");
        } else {
            response.is_problem(status, code, name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_and_a_full_memory_say_when_to_come_back() {
    let options = HttpOptions {
        body_bytes_in_flight: 1_024,
        ..HttpOptions::default()
    };
    let service = Service::with(options).await;
    let body = format!("{GOOD}\n").repeat(100);
    let response = service
        .post_as("/v1/events", "application/x-ndjson", body)
        .await;
    response.is_problem(503, "overloaded", "memory");
    assert!(response.headers.contains_key("retry-after"));
    service.full.store(true, Ordering::Relaxed);
    let response = service
        .post_as("/v1/events", "application/json", GOOD)
        .await;
    response.is_problem(507, "storage_full", "disk");
    assert!(response.headers.contains_key("retry-after"));
    service.full.store(false, Ordering::Relaxed);
    let response = service
        .post_as("/v1/events", "application/json", GOOD)
        .await;
    assert_eq!(response.status, 202, "room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_events_are_dead_letters_with_their_bytes() {
    let service = Service::start().await;
    let body = [BAD.as_bytes(), b"\n\xff\xfe\n", GOOD.as_bytes()].concat();
    let response = service
        .post_as("/v1/events", "application/x-ndjson", body)
        .await;
    assert_eq!(response.status, 202);
    let page = service.get("/v1/dead-letters?limit=1").await.json();
    assert_eq!(page["dead_letters"][0]["code"], "invalid_utf8");
    assert_eq!(page["dead_letters"][0]["encoding"], "base64");
    assert_eq!(page["dead_letters"][0]["bytes"], "//4=");
    let before = page["next_before"].as_u64().unwrap();
    let page = service
        .get(&format!("/v1/dead-letters?before={before}"))
        .await
        .json();
    assert_eq!(page["dead_letters"][0]["bytes"], BAD);
    assert_eq!(page["dead_letters"][0]["source"], "POST /v1/events");
    assert!(page.get("next_before").is_none());
    service
        .get("/v1/dead-letters?limit=0")
        .await
        .is_problem(400, "out_of_range", "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_counts_every_part_once() {
    let service = Service::start().await;
    let at = || async { service.get("/v1/imports/f1").await.json()["position"].clone() };
    assert_eq!(at().await, json!(null));
    let part = || service.post_as("/v1/imports/f1?next=10", "application/x-ndjson", GOOD);
    assert_eq!(part().await.json()["accepted"], 1);
    part().await.is_problem(409, "position_mismatch", "again");
    assert_eq!(at().await, 10);
    let end = "/v1/imports/f1?expected=10&next=20";
    let response = service.post_as(end, "application/x-ndjson", "").await;
    assert_eq!(response.json()["accepted"], 0);
    assert_eq!(at().await, 20);
    let none = service
        .post_as("/v1/imports/f1", "application/x-ndjson", GOOD)
        .await;
    none.is_problem(400, "missing_parameter", "next");
}
