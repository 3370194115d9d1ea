//! Products, one and many.

use super::{Response, Service};
use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::{Value, json};

async fn conditional(
    service: &Service,
    method: Method,
    header: (&str, &str),
    body: &Value,
) -> Response {
    let request = Request::builder()
        .method(method)
        .uri("/v1/products/p1")
        .header("content-type", "application/json")
        .header(header.0, header.1);
    service
        .send(request.body(Body::from(body.to_string())).unwrap())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_lives() {
    let service = Service::start().await;
    let created = service
        .post("/v1/products", &json!({"product_id": "p1", "title": "a"}))
        .await;
    assert_eq!(created.status, 201);
    assert_eq!(created.headers["etag"], "\"1\"");
    let twice = service
        .post("/v1/products", &json!({"product_id": "p1"}))
        .await;
    twice.is_problem(409, "already_exists", "twice");
    let patch = json!({"title": null, "brand": "acme"});
    let changed = service.call(Method::PATCH, "/v1/products/p1", &patch).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.headers["etag"], "\"2\"");
    assert_eq!(changed.json()["brand"], "acme");
    assert!(changed.json().get("title").is_none());
    let replaced = service
        .call(Method::PUT, "/v1/products/p1", &json!({"stock": 3}))
        .await;
    assert_eq!(replaced.status, 200);
    assert!(replaced.json().get("brand").is_none());
    let found = service.get("/v1/products/p1").await.json();
    assert_eq!((&found["stock"], &found["version"]), (&json!(3), &json!(3)));
    let deleted = service
        .call(Method::DELETE, "/v1/products/p1", &Value::Null)
        .await;
    assert_eq!(deleted.status, 204);
    service
        .get("/v1/products/p1")
        .await
        .is_problem(404, "not_found", "deleted");
    let again = service
        .call(Method::DELETE, "/v1/products/p1", &Value::Null)
        .await;
    again.is_problem(404, "not_found", "deleted twice");
    let put = service
        .call(Method::PUT, "/v1/products/p1", &json!({}))
        .await;
    assert_eq!(put.status, 201, "created by PUT");
    assert_eq!(put.headers["etag"], "\"5\"", "versions never repeat");
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_respected() {
    let service = Service::start().await;
    service
        .post("/v1/products", &json!({"product_id": "p1"}))
        .await;
    let body = json!({"stock": 1});
    #[rustfmt::skip]
    let cases: &[(&str, Method, (&str, &str), u16)] = &[
        ("old version",    Method::PUT,    ("if-match", "\"9\""),      412),
        ("old version",    Method::PATCH,  ("if-match", "\"9\""),      412),
        ("old version",    Method::DELETE, ("if-match", "\"9\""),      412),
        ("is there",       Method::PUT,    ("if-none-match", "*"),     412),
        ("no version",     Method::PUT,    ("if-match", "9"),          400),
        ("some version",   Method::PUT,    ("if-none-match", "\"1\""), 400),
        ("this version",   Method::PATCH,  ("if-match", "\"1\""),      200),
        ("any version",    Method::PATCH,  ("if-match", "*"),          200),
        ("this version",   Method::DELETE, ("if-match", "\"3\""),      204),
        ("is not there",   Method::DELETE, ("if-match", "*"),          412),
        ("is not there",   Method::PATCH,  ("if-match", "\"3\""),      412),
        ("is not there",   Method::PUT,    ("if-none-match", "*"),     201),
    ];
    for (name, method, header, status) in cases {
        let response = conditional(&service, method.clone(), *header, &body).await;
        assert_eq!(response.status.as_u16(), *status, "{method} {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_what_is_good() {
    let service = Service::start().await;
    let body = json!([{"product_id": "a"}, {"product_id": "b", "price": -1}, {"product_id": "c"}]);
    let response = service.post("/v1/products:batch", &body).await;
    assert_eq!(response.status, 200);
    let receipt = response.json();
    assert_eq!(receipt["written"][1]["index"], 2);
    assert_eq!(receipt["written"][1]["product_id"], "c");
    assert_eq!(receipt["rejected"][0]["field"], "price");
    let bad = service
        .post("/v1/products:batch", &json!([{"product_id": ""}]))
        .await;
    bad.is_problem(400, "all_products_rejected", "all bad");
    let one = service
        .post("/v1/products:batch", &json!({"product_id": "a"}))
        .await;
    one.is_problem(400, "not_an_array", "one");
    let page = service.get("/v1/products?limit=1").await.json();
    assert_eq!(page["products"][0]["product_id"], "a");
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = service
        .get(&format!("/v1/products?cursor={cursor}"))
        .await
        .json();
    assert_eq!(page["products"][0]["product_id"], "c");
    assert!(page.get("next_cursor").is_none());
    service
        .get("/v1/products?cursor=x")
        .await
        .is_problem(400, "invalid_cursor", "cursor");
}
