//! Dead letters, late events, and questions that are answered over the topics.

use super::Service;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn dead_letters(service: &Service) -> Vec<Value> {
    let page = service.get("/v1/dead-letters?limit=1000").await.json();
    page["dead_letters"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_with_all_its_bytes() {
    let service = Service::start().await;
    let bad = r#"{"event_type":"like","user_id":"часы"}"#;
    service.post_as("/v1/events", "application/json", bad).await;
    let bytes: &[u8] = b"{\"event_type\":\"view\xff\"}\n{\"event_type\":\"view\",\"user_id\":\"u\",\"product_id\":\"p\"}\n";
    service
        .post_as("/v1/events", "application/x-ndjson", bytes)
        .await;
    let text = service.get("/v1/dead-letters/0").await.json();
    assert_eq!(text["text"], bad);
    assert_eq!(text["code"], "unknown_event_type");
    assert_eq!(
        (&text["attempts"], &text["is_whole"]),
        (&json!(1), &json!(true))
    );
    assert!(text.get("origin").is_none(), "{text}");
    let odd = service.get("/v1/dead-letters/1").await.json();
    assert!(odd.get("text").is_none(), "{odd}");
    assert_eq!(odd["base64"], "eyJldmVudF90eXBlIjoidmlld/8ifQ==");
    for (path, status, code) in [
        ("/v1/dead-letters/2", 404, "not_found"),
        ("/v1/dead-letters/x", 400, "out_of_range"),
        ("/v1/dead-letters/-1", 400, "out_of_range"),
        ("/v1/dead-letters/1?x=1", 400, "unknown_parameter"),
    ] {
        service.get(path).await.is_problem(status, code, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_in_what_is_good_now_and_names_the_rest() {
    let service = Service::start().await;
    let huge = format!(
        "{{\"event_type\":\"view\",\"query\":\"{}\"}}",
        "x".repeat(70_000)
    );
    let like = r#"{"event_type":"like","user_id":"u"}"#;
    for body in [like, &huge, "[1]", "{\"user_id\":\"u\"}"] {
        let body = format!("{}\n{{}}", body);
        service
            .post_as("/v1/events", "application/x-ndjson", body)
            .await;
    }
    // `{}` stands at the odd numbers.
    assert_eq!(dead_letters(&service).await.len(), 8);
    let told = service
        .post(
            "/v1/dead-letters/replay",
            &json!({"offsets": [0, 2, 2, 99]}),
        )
        .await;
    assert_eq!(told.status, 200);
    let told = told.json();
    assert_eq!(told["replayed"], 0);
    assert_eq!(told["still_bad"][0]["code"], "unknown_event_type");
    let refused: Vec<_> = told["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["number"].as_u64().unwrap(),
                one["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(refused, [(2, "cut"), (99, "not_found")]);
    let letters = dead_letters(&service).await;
    assert_eq!(letters.len(), 9, "the still bad one is a letter again");
    assert_eq!(letters[0]["attempts"], 2);
    assert_eq!(letters[0]["bytes"], like);

    let of_code = service
        .post("/v1/dead-letters/replay", &json!({"code": "missing_field"}))
        .await
        .json();
    assert_eq!(
        of_code["still_bad"].as_array().unwrap().len(),
        5,
        "{of_code}"
    );
    assert!(of_code.get("next").is_none());
    assert_eq!(of_code["until"], 9);
    let all = json!({"all": true, "from": 8, "until": 9});
    let all = service.post("/v1/dead-letters/replay", &all).await.json();
    assert_eq!(all["still_bad"][0]["number"], 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_asked_wrongly_is_refused_by_name() {
    let service = Service::start().await;
    let many: Vec<u64> = (0..1_001).collect();
    #[rustfmt::skip]
    let cases = [
        ("nothing",   json!({}),                               422, "invalid_choice", "offsets"),
        ("two",       json!({"offsets": [1], "code": "x"}),    422, "invalid_choice", "offsets"),
        ("not all",   json!({"all": false}),                   422, "invalid_choice", "offsets"),
        ("from",      json!({"offsets": [1], "from": 1}),      422, "invalid_choice", "from"),
        ("too many",  json!({"offsets": many}),                422, "out_of_range",   "offsets"),
        ("none",      json!({"offsets": []}),                  422, "out_of_range",   "offsets"),
        ("texts",     json!({"offsets": ["1"]}),               422, "invalid_type",   "offsets"),
        ("typo",      json!({"cod": "x"}),                     422, "unknown_field",  "cod"),
    ];
    for (name, body, status, code, field) in cases {
        let refused = service.post("/v1/dead-letters/replay", &body).await;
        refused.is_problem(status, code, name);
        assert_eq!(refused.json()["field"], field, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_event_is_listed_with_what_it_would_have_counted() {
    let service = Service::start().await;
    let event = |at: &str, id: &str| {
        json!({"event_id": id, "event_type": "purchase", "user_id": "u", "product_id": "p",
               "price": 2.5, "quantity": 2, "currency": "EUR", "event_time": at})
    };
    // The clock of the test stands at 2027-01-15T08:00:00Z.
    for (at, id) in [
        ("2027-01-15T08:00:00Z", "new"),
        ("2027-01-15T04:00:00Z", "old"),
    ] {
        let taken = service.post("/v1/events", &event(at, id)).await;
        assert_eq!(taken.status, 202);
        service.engine.settled().await;
    }
    let page = service.get("/v1/late-events?limit=10").await.json();
    let late = page["late_events"].as_array().unwrap();
    assert!(!late.is_empty(), "{page}");
    let of_session = late
        .iter()
        .find(|one| one["dimension"] == "session")
        .unwrap_or_else(|| panic!("{page:#}"));
    assert_eq!(of_session["operator"], "user-stage");
    assert_eq!(of_session["event_time"], "2027-01-15T04:00:00Z");
    assert_eq!(of_session["events"], json!({"purchase": 1}));
    let value = json!({"event_type": "purchase", "amount": 5.0, "currency": "EUR"});
    assert_eq!(of_session["values"], json!([value]));
    assert!(of_session["late_ms"].as_i64().unwrap() > 0, "{of_session}");
    let of_product = late.iter().find(|one| one["dimension"] == "product");
    let of_product = of_product.unwrap_or_else(|| panic!("{page:#}"));
    assert_eq!(
        (&of_product["id"], &of_product["visitors"]),
        (&json!("p"), &json!(1))
    );
    let none = service.get("/v1/late-events?before=0").await.json();
    assert_eq!(none, json!({"late_events": []}));
    let wrong = service.get("/v1/late-events?limit=0").await;
    wrong.is_problem(400, "out_of_range", "limit");
}

async fn with_products() -> Service {
    let service = Service::start().await;
    let product = |n: u32| json!({"product_id": format!("p{n}"), "title": format!("Product {n}")});
    let products: Vec<Value> = (0..10).map(product).collect();
    let written = service.post("/v1/products:batch", &json!(products)).await;
    assert_eq!(written.json()["visible"], true);
    service
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_questions_get_their_own_answers() {
    let service = with_products().await;
    let question = |n: usize| json!({"request_id": format!("q{n}"), "user_id": format!("u{n}"), "limit": 1 + n % 5});
    let questions: Vec<Value> = (0..200).map(question).collect();
    let asked = service.post("/v1/requests", &json!(questions)).await;
    assert_eq!(asked.status, 202);
    let ids = asked.json()["requests"].clone();
    let mut slates = HashSet::new();
    for (n, id) in ids.as_array().unwrap().iter().enumerate() {
        let id = id.as_str().unwrap();
        assert_eq!(id, format!("q{n}"));
        let answer = service.get(&format!("/v1/requests/{id}?wait=10s")).await;
        assert_eq!(answer.status, 200, "{id}");
        let answer = answer.json();
        assert_eq!(answer["request_id"], id);
        assert_eq!(answer["user_id"], format!("u{n}"));
        assert_eq!(answer["placement"], "home");
        assert_eq!(answer["generation"], 0);
        let items = answer["items"].as_array().unwrap();
        assert_eq!(items.len(), 1 + n % 5, "{id}");
        assert!(items[0]["product"]["title"].is_string(), "{answer}");
        let slate = answer["slate_id"].as_str().unwrap().to_owned();
        assert!(slates.insert(slate), "{id}: a slate of somebody else");
    }
    // Asked again, they are the same questions.
    service.post("/v1/requests", &json!(questions)).await;
    let fence = service.post("/v1/requests", &json!({})).await.json();
    let fence = fence["requests"][0].as_str().unwrap().to_owned();
    let last = service.get(&format!("/v1/requests/{fence}?wait=10s")).await;
    assert_eq!(last.status, 200);
    for id in ids.as_array().unwrap() {
        let path = format!("/v1/requests/{}", id.as_str().unwrap());
        let answer = service.get(&path).await.json();
        assert!(slates.contains(answer["slate_id"].as_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_are_wrong_are_refused_by_name() {
    let service = Service::start().await;
    let many = vec!["p"; 501];
    #[rustfmt::skip]
    let cases = [
        ("limit",     json!({"limit": 201}),                                  "out_of_range",   "limit"),
        ("session",   json!({"session": many}),                               "too_many_items", "session"),
        ("typo",      json!({"user": "u"}),                                   "unknown_field",  "user"),
        ("second",    json!([{"user_id": "u"}, {"category": ""}]),            "out_of_range",   "category"),
        ("twice",     json!([{"request_id": "q"}, {"request_id": "q"}]),      "repeated_id",    "request_id"),
    ];
    for (name, body, code, field) in cases {
        let refused = service.post("/v1/requests", &body).await;
        refused.is_problem(422, code, name);
        assert_eq!(refused.json()["field"], field, "{name}");
    }
    let bad = json!([{"user_id": "u"}, {"limit": 0}]);
    let bad = service.post("/v1/requests", &bad).await.json();
    assert_eq!(bad["rejected"][0]["index"], 1);
    let many: Vec<Value> = vec![json!({}); 1_001];
    let many = service.post("/v1/requests", &json!(many)).await;
    many.is_problem(413, "too_many_events", "1,001");
    let broken = service
        .post_as("/v1/requests", "application/json", "{")
        .await;
    broken.is_problem(400, "invalid_json", "broken");
    #[rustfmt::skip]
    let paths = [
        ("/v1/requests/none",            404, "no_answer_yet"),
        ("/v1/requests/none?wait=10ms",  404, "no_answer_yet"),
        ("/v1/requests/none?wait=21s",   400, "out_of_range"),
        ("/v1/requests/none?wait=soon",  400, "out_of_range"),
        ("/v1/requests/a%0Ab",           400, "invalid_id"),
    ];
    for (path, status, code) in paths {
        let response = service.get(path).await;
        response.is_problem(status, code, path);
        assert_eq!(
            response.headers.contains_key("retry-after"),
            status == 404,
            "{path}"
        );
    }
}
