//! Cases of the event parser: what is taken, what is refused and how that is said.

use super::*;
use crate::time::EventTime;
use proptest::prelude::*;

const NOW: IngestTime = IngestTime(1_700_000_000_000);

fn read(json: &[u8]) -> Result<Event, Rejection> {
    let fresh = || EventId::new("fresh").unwrap();
    parse(
        json,
        &Intake {
            ingest_time: NOW,
            fresh_event_id: &fresh,
            hash_address: &|address| address.len() as u64,
        },
    )
}

#[test]
fn a_whole_event_is_read() {
    let event = read(
        br#"{"event_id":"e1","event_type":"purchase","user_id":"u1","anonymous_id":"c1",
            "session_id":"s1","event_time":"2023-11-14T22:00:00+00:00","currency":"usd",
            "items":[{"product_id":"p1","quantity":2,"price":9.5},{"product_id":"p2"}],
            "slate_id":"01J","position":3,"placement":"home","unknown":{"a":[1]},
            "context":{"ip":"192.0.2.1","locale":"ru"},"consent":{"personalisation":false}}"#,
    )
    .unwrap();
    assert_eq!(event.event_time, EventTime(1_699_999_200_000));
    assert_eq!(event.kind.lines().len(), 2);
    assert_eq!(event.kind.lines()[0].quantity, 2);
    assert!(event.kind.is_purchase());
    assert_eq!(
        event.currency.map(|c| c.as_str().to_owned()),
        Some("USD".into())
    );
    assert_eq!(event.context.as_ref().unwrap().address_hash, Some(9));
    assert!(!event.consent.personalisation && event.consent.analytics);
    assert_eq!(event.origin.unwrap().position, Some(3));
}

#[test]
fn absent_time_and_id_are_filled_in() {
    let event = read(br#"{"event_type":"view","user_id":"u","product_id":"p"}"#).unwrap();
    assert_eq!(event.event_time.0, NOW.0);
    assert_eq!(event.event_id.as_str(), "fresh");
}

#[test]
fn rejection_cases() {
    let deep = format!(
        r#"{{"event_type":"view","user_id":"u","product_id":"p","context":{}1{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    let deep_unknown = deep.replace("context", "whatever");
    let long = format!(
        r#"{{"event_type":"view","user_id":"{}","product_id":"p"}}"#,
        "x".repeat(200)
    );
    let huge = format!(
        r#"{{"event_type":"view","user_id":"{}"}}"#,
        "x".repeat(EVENT_BYTES_MAX)
    );
    #[rustfmt::skip]
    let cases: &[(&str, &[u8], &str, &str)] = &[
        ("empty",           b"",                                                        "invalid_json", ""),
        ("cut",             br#"{"event_type":"vi"#,                                    "invalid_json", ""),
        ("array",           b"[]",                                                      "not_an_object", ""),
        ("positional",      br#"["e1","view","u"]"#,                                    "not_an_object", ""),
        ("number",          b"7",                                                       "not_an_object", ""),
        ("no type",         br#"{"user_id":"u"}"#,                                      "missing_field", "event_type"),
        ("unknown type",    br#"{"event_type":"teleport","user_id":"u"}"#,              "unknown_event_type", "event_type"),
        ("nobody",          br#"{"event_type":"view","product_id":"p"}"#,               "missing_field", "user_id"),
        ("no product",      br#"{"event_type":"view","user_id":"u"}"#,                  "missing_field", "product_id"),
        ("number as id",    br#"{"event_type":"view","user_id":7,"product_id":"p"}"#,   "invalid_type", "user_id"),
        ("empty id",        br#"{"event_type":"view","user_id":"","product_id":"p"}"#,  "invalid_id", "user_id"),
        ("long id",         long.as_bytes(),                                            "invalid_id", "user_id"),
        ("10 MB id",        huge.as_bytes(),                                            "event_too_large", ""),
        ("nan price",       br#"{"event_type":"view","user_id":"u","product_id":"p","price":NaN}"#, "invalid_json", ""),
        ("nan as text",     br#"{"event_type":"view","user_id":"u","product_id":"p","price":"NaN"}"#, "invalid_type", "price"),
        ("negative price",  br#"{"event_type":"view","user_id":"u","product_id":"p","price":-1}"#, "out_of_range", "price"),
        ("huge price",      br#"{"event_type":"view","user_id":"u","product_id":"p","price":1e300}"#, "invalid_type", "price"),
        ("no pieces",       br#"{"event_type":"add_to_cart","user_id":"u","product_id":"p","quantity":0}"#, "out_of_range", "quantity"),
        ("minus pieces",    br#"{"event_type":"add_to_cart","user_id":"u","product_id":"p","quantity":-1}"#, "invalid_type", "quantity"),
        ("year 9999",       br#"{"event_type":"view","user_id":"u","product_id":"p","event_time":"9999-12-01T00:00:00Z"}"#, "event_time_in_future", "event_time"),
        ("no zone",         br#"{"event_type":"view","user_id":"u","product_id":"p","event_time":"2023-11-14T22:00:00"}"#, "invalid_type", "event_time"),
        ("bad currency",    br#"{"event_type":"view","user_id":"u","product_id":"p","currency":"dollars"}"#, "invalid_currency", "currency"),
        ("rating 9",        br#"{"event_type":"rating","user_id":"u","product_id":"p","rating":9}"#, "out_of_range", "rating"),
        ("no rating",       br#"{"event_type":"rating","user_id":"u","product_id":"p"}"#, "missing_field", "rating"),
        ("no query",        br#"{"event_type":"search","user_id":"u"}"#,                "missing_field", "query"),
        ("empty order",     br#"{"event_type":"purchase","user_id":"u","items":[]}"#,   "out_of_range", "items"),
        ("bad order line",  br#"{"event_type":"purchase","user_id":"u","items":[{"quantity":1}]}"#, "missing_field", "items.product_id"),
        ("broken utf-8",    b"{\"event_type\":\"view\",\"user_id\":\"\xff\",\"product_id\":\"p\"}", "invalid_utf8", ""),
        ("deep unknown",    deep_unknown.as_bytes(),                                    "nesting_too_deep", ""),
        ("half a piece",    br#"{"event_type":"add_to_cart","user_id":"u","product_id":"p","quantity":1.5}"#, "invalid_type", "quantity"),
        ("deep nesting",    deep.as_bytes(),                                            "nesting_too_deep", ""),
    ];
    for (name, json, code, field) in cases {
        let rejection = read(json).unwrap_err();
        assert_eq!(
            (&*rejection.code, &*rejection.field),
            (*code, *field),
            "{name}: {rejection}"
        );
        assert!(!rejection.detail.is_empty(), "{name}");
    }
}

#[test]
fn every_kind_has_a_tag_and_reads_back_by_name() {
    for (place, name) in Kind::NAMES.iter().enumerate() {
        let json = format!(
            r#"{{"event_type":"{name}","user_id":"u","product_id":"p","rating":4,"query":"q"}}"#
        );
        let event = read(json.as_bytes()).unwrap();
        assert_eq!(usize::from(event.kind.tag().0), place, "{name}");
        assert_eq!(event.kind.tag().name(), *name);
    }
}

proptest! {
    /// No bytes make the parser panic.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    /// No JSON value in any field makes the parser panic, and a refusal always has a code.
    #[test]
    fn any_value_in_any_field_is_answered(
        field in prop::sample::select(SHAPES.iter().map(|s| s.0).collect::<Vec<_>>()),
        value in prop::sample::select(vec![
            "null", "true", "-1", "1e308", "\"\"", "\"\\u0000\"", "[]", "{}", "[[[]]]", "{\"a\":1}",
            "18446744073709551616", "0.1", "\"x\"",
        ]),
    ) {
        let json = format!(r#"{{"event_type":"purchase","user_id":"u","product_id":"p","{field}":{value}}}"#);
        if let Err(rejection) = read(json.as_bytes()) {
            prop_assert!(!rejection.code.is_empty() && !rejection.detail.is_empty());
        }
    }
}
