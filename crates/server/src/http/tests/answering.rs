//! Answers.

use super::Service;
use axum::http::Method;
use serde_json::{Value, json};

async fn filled() -> Service {
    let service = Service::start().await;
    let products: Vec<Value> = (0..5)
        .map(|i| {
            json!({"product_id": format!("p{i}"), "brand": format!("b{i}"), "price": 10 * i,
                   "currency": "USD", "category_path": ["electronics", "phone"]})
        })
        .collect();
    let response = service.post("/v1/products:batch", &json!(products)).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["visible"], true);
    service
}

fn ids(answer: &Value) -> Vec<&str> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["product_id"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_knows_the_last_click() {
    let service = filled().await;
    let event = json!({"event_type": "view", "user_id": "u1", "product_id": "p3"});
    let position = service.post("/v1/events", &event).await.json()["position"].clone();
    let position = position.as_str().unwrap();
    service.engine.settled().await;
    let path = format!("/v1/recommendations/u1?limit=3&after={position}&explain=true");
    let answer = service.get(&path).await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["fresh"], true);
    assert_eq!(answer["user_id"], "u1");
    assert_eq!(answer["placement"], "home");
    assert_eq!(answer["served_from"], "live");
    assert!(answer["explanation"]["why"].is_object(), "{answer}");
    assert!(ids(&answer).len() <= 3);
    let viewed = service.get("/v1/users/u1/recently-viewed").await.json();
    assert_eq!(ids(&viewed), ["p3"]);
    assert_eq!(viewed["items"][0]["event_type"], "view");
    let slate = answer["slate_id"].as_str().unwrap();
    let why = service
        .get(&format!("/v1/slates/{slate}/explain"))
        .await
        .json();
    assert_eq!(why["slate_id"], slate);
    let popular = service.get("/v1/popular?window=1h").await.json();
    assert_eq!(popular["window"], "1h");
    assert_eq!(ids(&popular), ["p3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_unknown_is_a_cold_start() {
    let service = filled().await;
    let answer = service
        .get("/v1/recommendations/nobody?limit=2")
        .await
        .json();
    assert_eq!(ids(&answer).len(), 2, "{answer}");
    assert!(answer.get("fresh").is_none());
    let query =
        json!({"session": ["p1"], "limit": 4, "filter": {"max_price": 20}, "exclude": ["p2"]});
    let answer = service.post("/v1/recommendations", &query).await.json();
    let shown = ids(&answer);
    assert!(
        !shown.is_empty() && shown.iter().all(|id| ["p0", "p1"].contains(id)),
        "{answer}"
    );
    let empty = service.get("/v1/users/nobody/recently-viewed").await.json();
    assert_eq!(empty["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_refused_by_name() {
    let service = filled().await;
    #[rustfmt::skip]
    let cases: &[(&str, u16, &str, &str)] = &[
        ("/v1/recommendations/u1?limit=0",            400, "out_of_range",       "limit"),
        ("/v1/recommendations/u1?limit=201",          400, "out_of_range",       "limit"),
        ("/v1/recommendations/u1?limit=ten",          400, "out_of_range",       "limit"),
        ("/v1/recommendations/u1?limit=1&limit=2",    400, "repeated_parameter", "limit"),
        ("/v1/recommendations/u1?max_prise=2",        400, "unknown_parameter",  "max_prise"),
        ("/v1/recommendations/u1?max_price=NaN",      400, "out_of_range",       "max_price"),
        ("/v1/recommendations/u1?in_stock=yes",       400, "invalid_type",       "in_stock"),
        ("/v1/recommendations/u1?after=!!",           400, "invalid_position",   "after"),
        ("/v1/recommendations/u1?exclude=,",          400, "invalid_id",         "exclude"),
        ("/v1/recommendations/a%0Ab",                 400, "invalid_id",         "user_id"),
        ("/v1/popular?window=2h",                     400, "out_of_range",       "window"),
        ("/v1/products/p1/similar?user_id=u",         400, "unknown_parameter",  "user_id"),
    ];
    for (path, status, code, field) in cases {
        let response = service.get(path).await;
        response.is_problem(*status, code, path);
        assert_eq!(response.json()["field"], *field, "{path}");
    }
    service
        .get("/v1/slates/none/explain")
        .await
        .is_problem(404, "not_found", "slate");
    service
        .get("/v1/recommendations/%FF")
        .await
        .is_problem(400, "invalid_path", "bytes");
    let typo = service
        .post("/v1/recommendations", &json!({"limits": 3}))
        .await;
    typo.is_problem(400, "unknown_field", "body");
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_product() {
    let service = filled().await;
    for kind in ["similar", "bought-together"] {
        let beside = service
            .get(&format!("/v1/products/p1/{kind}?limit=2"))
            .await;
        assert_eq!(beside.status, 200, "{kind}");
        assert!(
            !ids(&beside.json()).contains(&"p1"),
            "{kind}: the product in view itself"
        );
        let unknown = service.get(&format!("/v1/products/none/{kind}")).await;
        assert_eq!(unknown.status, 200, "{kind}: unknown product");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_holds_from_the_next_answer_on() {
    let service = filled().await;
    let shown = || async {
        let answer = service.get("/v1/recommendations/u9?limit=200").await.json();
        ids(&answer)
            .iter()
            .map(|id| (*id).to_owned())
            .collect::<Vec<_>>()
    };
    assert!(shown().await.contains(&"p2".to_owned()));
    let set = service
        .post("/v1/bans", &json!({"product_id": "p2", "reason": "r"}))
        .await;
    assert_eq!(set.status, 201);
    assert_eq!(set.json()["ban_id"], "product:p2");
    assert!(!shown().await.contains(&"p2".to_owned()));
    let again = service.post("/v1/bans", &json!({"product_id": "p2"})).await;
    assert_eq!(again.status, 200);
    let list = service.get("/v1/bans").await.json();
    assert_eq!(list["bans"][0]["product_id"], "p2");
    let lifted = service
        .call(Method::DELETE, "/v1/bans/product:p2", &Value::Null)
        .await;
    assert_eq!(lifted.status, 204);
    assert!(shown().await.contains(&"p2".to_owned()));
    let gone = service
        .call(Method::DELETE, "/v1/bans/product:p2", &Value::Null)
        .await;
    gone.is_problem(404, "not_found", "lifted twice");
    let both = service
        .post("/v1/bans", &json!({"product_id": "p", "sku": "s"}))
        .await;
    both.is_problem(400, "invalid_ban", "both");
}
