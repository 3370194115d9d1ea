//! Bans of every kind, and products as shops offer them.

use super::Service;
use axum::http::Method;
use serde_json::{Value, json};
use vitrina_types::ban::TEXT_BANS_MAX;

async fn filled() -> Service {
    let service = Service::start().await;
    let products = json!([
        {"product_id": "p1", "sku": "s1", "brand": "Acme", "title": "Lamp"},
        {"product_id": "p2", "sku": "s2", "brand": "Beta", "title": "Gold WATCH, a replica"},
        {"product_id": "p3", "sku": "s3", "brand": "Beta", "title": "Chair"},
    ]);
    let response = service.post("/v1/products:batch", &products).await;
    assert_eq!(response.json()["visible"], true);
    service
}

async fn shown(service: &Service) -> Vec<String> {
    let answer = service.get("/v1/recommendations/nobody?limit=50").await;
    let answer = answer.json();
    let items = answer["items"].as_array().unwrap().iter();
    let mut ids: Vec<String> = items
        .map(|item| item["product_id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_of_each_kind_holds_and_can_be_lifted() {
    let service = filled().await;
    #[rustfmt::skip]
    let cases = [
        ("product_id", "p1",             "product:p1",                      vec!["p2", "p3"]),
        ("sku",        "s3",             "sku:s3",                          vec!["p1", "p2"]),
        ("brand",      "BETA",           "brand:BETA",                      vec!["p1"]),
        ("pattern",    "watch*replica",  "pattern:watch*replica",           vec!["p1", "p3"]),
    ];
    for (field, text, ban_id, left) in cases {
        let set = service
            .post("/v1/bans", &json!({field: text, "reason": "r"}))
            .await;
        assert_eq!(set.status, 201, "{field}");
        assert_eq!(set.json()["ban_id"], ban_id);
        assert_eq!(set.json()[field], text);
        assert_eq!(shown(&service).await, left, "{ban_id}");
        let list = service.get("/v1/bans").await.json();
        assert_eq!(list["bans"][0][field], text);
        let path = format!("/v1/bans/{}", crate::client::encoded(ban_id));
        let lifted = service.call(Method::DELETE, &path, &Value::Null).await;
        assert_eq!(lifted.status, 204, "{ban_id}");
        assert_eq!(shown(&service).await, ["p1", "p2", "p3"], "{ban_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_banned_is_refused_by_name() {
    let service = filled().await;
    let long = "x".repeat(129);
    #[rustfmt::skip]
    let cases = [
        ("nothing",      json!({}),                                   400, "missing_field",    "product_id"),
        ("two texts",    json!({"brand": "a", "pattern": "b"}),       400, "invalid_ban",      "pattern"),
        ("id and brand", json!({"product_id": "a", "brand": "b"}),    400, "invalid_ban",      "brand"),
        ("empty brand",  json!({"brand": ""}),                        422, "invalid_ban_text", "brand"),
        ("long brand",   json!({"brand": long}),                      422, "invalid_ban_text", "brand"),
        ("any text",     json!({"pattern": " * "}),                   422, "invalid_ban_text", "pattern"),
        ("line break",   json!({"pattern": "a\nb"}),                  422, "invalid_ban_text", "pattern"),
        ("number",       json!({"brand": 7}),                         400, "invalid_type",     "brand"),
    ];
    for (name, body, status, code, field) in cases {
        let response = service.post("/v1/bans", &body).await;
        response.is_problem(status, code, name);
        assert_eq!(response.json()["field"], field, "{name}");
    }
    #[rustfmt::skip]
    let paths = [
        ("/v1/bans/pattern:%2A", 422, "invalid_ban_text"),
        ("/v1/bans/shop:7",      400, "invalid_id"),
        ("/v1/bans/brand:none",  404, "not_found"),
    ];
    for (path, status, code) in paths {
        let response = service.call(Method::DELETE, path, &Value::Null).await;
        response.is_problem(status, code, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_texts_are_banned_than_may_be() {
    let service = Service::start().await;
    for number in 0..TEXT_BANS_MAX {
        let field = ["brand", "pattern"][number % 2];
        let set = service
            .post("/v1/bans", &json!({field: format!("t{number}")}))
            .await;
        assert_eq!(set.status, 201, "{number}");
    }
    let over = service
        .post("/v1/bans", &json!({"brand": "one more"}))
        .await;
    over.is_problem(409, "too_many_bans", "over");
    let replaced = service
        .post("/v1/bans", &json!({"brand": "t0", "reason": "new"}))
        .await;
    assert_eq!(replaced.status, 200, "one that is in force is replaced");
    let product = service.post("/v1/bans", &json!({"product_id": "p"})).await;
    assert_eq!(product.status, 201, "products are not texts");
    service
        .call(Method::DELETE, "/v1/bans/pattern:t1", &Value::Null)
        .await;
    let again = service
        .post("/v1/bans", &json!({"brand": "one more"}))
        .await;
    assert_eq!(again.status, 201, "after one was lifted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offered_product_is_held_by_a_ban_until_it_is_lifted() {
    let service = Service::start().await;
    service.post("/v1/bans", &json!({"brand": "acme"})).await;
    service.engine.settled().await;
    let offers = json!([
        {"product_id": "good", "brand": "beta", "title": "Lamp"},
        {"product_id": "held", "brand": "ACME", "title": "Chair"},
        {"product_id": "bad", "price": -1},
    ]);
    let offered = service.post("/v1/shop-products", &offers).await;
    assert_eq!(offered.status, 202);
    let receipt = offered.json();
    assert_eq!(receipt["accepted"], 2);
    assert_eq!(receipt["rejected"][0]["index"], 2);
    assert_eq!(receipt["rejected"][0]["field"], "price");
    service.engine.settled().await;
    let good = service.get("/v1/products/good").await;
    assert_eq!(good.json()["title"], "Lamp");
    assert_eq!(shown(&service).await, ["good"]);
    let held = service.get("/v1/products/held").await;
    held.is_problem(404, "not_found", "held");
    let list = service.get("/v1/filtered-events").await.json();
    let list = list["filtered_events"].as_array().unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!(list[0]["ban_id"], "brand:acme");
    assert_eq!(list[0]["product"]["product_id"], "held");

    service
        .call(Method::DELETE, "/v1/bans/brand:acme", &Value::Null)
        .await;
    service.engine.settled().await;
    let line = r#"{"product_id": "held", "brand": "ACME", "title": "Chair"}"#;
    let again = service
        .post_as("/v1/shop-products", "application/x-ndjson", line)
        .await;
    assert_eq!(again.status, 202);
    service.engine.settled().await;
    let lifted = service.get("/v1/products/held").await;
    assert_eq!(lifted.json()["title"], "Chair");
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_that_are_wrong_are_refused() {
    let service = Service::start().await;
    #[rustfmt::skip]
    let cases = [
        ("all bad",  r#"[{"title": "x"}]"#,  400, "all_products_rejected"),
        ("one bad",  r#"{"titel": "x"}"#,    400, "all_products_rejected"),
        ("broken",   r#"[{"title": "x""#,    400, "invalid_json"),
        ("nothing",  " ",                    400, "empty_body"),
    ];
    for (name, body, status, code) in cases {
        let refused = service
            .post_as("/v1/shop-products", "application/json", body)
            .await;
        refused.is_problem(status, code, name);
    }
    let page = service.get("/v1/filtered-events?limit=1001").await;
    page.is_problem(400, "out_of_range", "limit");
    let list = service.get("/v1/filtered-events").await.json();
    assert_eq!(list, json!({"filtered_events": []}));
}
