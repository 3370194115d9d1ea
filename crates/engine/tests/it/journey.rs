//! The main job: events in, recommendations out.

use crate::support::{engine, ingest, product, products, raw, recommend, start, view};
use vitrina_engine::{EngineError, EngineOptions, Visitor, verify};
use vitrina_ports::catalogue::Expect;
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::id::{AnonymousId, ProductId, Sku, UserId};
use vitrina_types::time::EventTime;

fn user(id: &str) -> Visitor {
    Visitor::User(UserId::new(id).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_answer_knows_the_last_click() {
    let (engine, _) = engine().await;
    ingest(&engine, vec![view("x", "a", "1"), view("x", "b", "2")]).await;
    for click in 0..50 {
        let receipt = ingest(&engine, vec![view("u", "a", &format!("c{click}"))]).await;
        let answer = recommend(&engine, "u", Some(&receipt)).await;
        assert_eq!(answer.fresh, Some(true));
        let state = engine.visitor(&user("u")).await.unwrap().unwrap();
        assert_eq!(state.counters.of("view"), click + 1);
    }
    engine.settled().await;
    let answer = recommend(&engine, "u", None).await;
    assert!(products(&answer).contains(&"b"), "{:?}", products(&answer));
    assert_eq!(answer.fresh, None);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_a_position_that_never_comes_says_so() {
    let (engine, _) = engine().await;
    let mut receipt = ingest(&engine, vec![view("u", "a", "1")]).await;
    let partition = vitrina_types::partition::Partition::of("u");
    receipt.position = vitrina_engine::PositionToken::new(vec![(partition, 1_000)]);
    let answer = recommend(&engine, "u", Some(&receipt)).await;
    assert_eq!(answer.fresh, Some(false));
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn good_events_survive_bad_ones_and_bad_ones_are_kept_with_their_bytes() {
    let (engine, _) = engine().await;
    let bad = r#"{"event_type":"teleport","user_id":"u"}"#;
    let receipt = ingest(
        &engine,
        vec![view("u", "a", "1"), raw(bad), view("u", "b", "2")],
    )
    .await;
    assert_eq!(receipt.accepted, 2);
    assert_eq!(receipt.rejected.len(), 1);
    assert_eq!(receipt.rejected[0].index, 1);
    let letters = engine.dead_letters(None, 10).await.unwrap();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1.bytes, bad.as_bytes());
    assert_eq!(letters[0].1.rejection.code, "unknown_event_type");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_id_counts_once() {
    let (engine, _) = engine().await;
    for _ in 0..3 {
        ingest(&engine, vec![view("u", "a", "same")]).await;
    }
    engine.settled().await;
    let state = engine.visitor(&user("u")).await.unwrap().unwrap();
    assert_eq!(state.counters.of("view"), 1);
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_anonymous_history_joins_the_user() {
    let (engine, ports) = engine().await;
    let seen = r#"{"event_type":"view","anonymous_id":"c","product_id":"a","event_id":"1"}"#;
    let login =
        r#"{"event_type":"view","user_id":"u","anonymous_id":"c","product_id":"b","event_id":"2"}"#;
    let later = r#"{"event_type":"view","anonymous_id":"c","product_id":"d","event_id":"3"}"#;
    for event in [seen, login, later] {
        ingest(&engine, vec![raw(event)]).await;
        engine.settled().await;
    }
    let anonymous = Visitor::Anonymous(AnonymousId::new("c").unwrap());
    for visitor in [user("u"), anonymous] {
        let viewed = engine.recently_viewed(&visitor, 10).await.unwrap();
        let ids: Vec<&str> = viewed
            .iter()
            .map(|v| v.product.product_id.as_str())
            .collect();
        assert_eq!(ids.len(), 3, "{visitor:?}: {ids:?}");
    }
    engine.shutdown().await;
    let found = verify(&ports, &EngineOptions::default()).await.unwrap();
    assert_eq!(found.differences, 0, "{:?}", found.examples);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_created_now_can_be_recommended_now_and_a_ban_ends_that() {
    let (engine, _) = engine().await;
    let mut made = product("new", "lamps");
    made.sku = Some(Sku::new("SKU-7").unwrap());
    let written = engine
        .put_products(vec![(made, Expect::Absent)], true)
        .await
        .unwrap();
    assert!(written[0].visible);
    assert_eq!(products(&recommend(&engine, "nobody", None).await), ["new"]);
    let targets = [
        BanTarget::Product(ProductId::new("new").unwrap()),
        BanTarget::Sku(Sku::new("SKU-7").unwrap()),
    ];
    for target in targets {
        let ban = Ban {
            target: target.clone(),
            reason: "recalled".into(),
            author: "test".into(),
            created_at: EventTime(0),
        };
        assert!(engine.set_ban(&ban).await.unwrap().visible);
        assert!(products(&recommend(&engine, "nobody", None).await).is_empty());
        assert!(engine.lift_ban(&target).await.unwrap().visible);
        assert_eq!(products(&recommend(&engine, "nobody", None).await), ["new"]);
        let again = engine.lift_ban(&target).await;
        assert!(matches!(again, Err(EngineError::NotFound { .. })));
    }
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_is_explained_from_memory_and_later_from_the_store() {
    let (engine, ports) = engine().await;
    ingest(&engine, vec![view("x", "a", "1")]).await;
    engine.settled().await;
    let answer = recommend(&engine, "u", None).await;
    let record = engine.explain(&answer.slate_id).await.unwrap().unwrap();
    let explanation = record.explanation.unwrap();
    assert_eq!(explanation.shown.len(), answer.items.len());
    engine.shutdown().await;
    let again = start(&ports).await;
    let record = again.explain(&answer.slate_id).await.unwrap().unwrap();
    assert!(record.explanation.is_none());
    assert_eq!(record.items.len(), answer.items.len());
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_knows_everything() {
    let (engine, ports) = engine().await;
    engine
        .put_products(vec![(product("p", "lamps"), Expect::Any)], true)
        .await
        .unwrap();
    ingest(&engine, vec![view("u", "p", "1"), view("u", "q", "2")]).await;
    engine.settled().await;
    let before = recommend(&engine, "u", None).await;
    engine.shutdown().await;
    let again = start(&ports).await;
    let after = recommend(&again, "u", None).await;
    assert_eq!(products(&before), products(&after));
    assert_eq!(again.count_visitors().await.unwrap(), 1);
    again.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_as_large_as_allowed_do_not_choke_the_stream() {
    let (engine, ports) = engine().await;
    let order = |number: u64| {
        let lines: Vec<String> = (0..200)
            .map(|line| format!(r#"{{"product_id":"p{}"}}"#, (number * 37 + line) % 5_000))
            .collect();
        raw(&format!(
            r#"{{"event_id":"o{number}","event_type":"purchase","user_id":"u{}","items":[{}]}}"#,
            number % 3,
            lines.join(",")
        ))
    };
    ingest(&engine, (0..100).map(order).collect()).await;
    let settled = tokio::time::timeout(std::time::Duration::from_secs(60), engine.settled());
    assert!(settled.await.is_ok(), "{:?}", engine.status());
    assert_eq!(engine.status().reassigned, 0);
    engine.shutdown().await;
    let found = verify(&ports, &EngineOptions::default()).await.unwrap();
    assert_eq!((found.differences, found.events["purchase"]), (0, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn freshness_is_judged_also_where_the_event_only_passed_through() {
    let (engine, _) = engine().await;
    let login = r#"{"event_type":"view","user_id":"u","anonymous_id":"c","product_id":"a"}"#;
    ingest(&engine, vec![raw(login)]).await;
    engine.settled().await;
    for click in 0..20 {
        // Taken in under the cookie, forwarded to the user's partition, asked for as the user.
        let event =
            format!(r#"{{"event_type":"view","anonymous_id":"c","product_id":"p{click}"}}"#);
        let receipt = ingest(&engine, vec![raw(&event)]).await;
        let answer = recommend(&engine, "u", Some(&receipt)).await;
        assert_eq!(answer.fresh, Some(true));
        let state = engine.visitor(&user("u")).await.unwrap().unwrap();
        assert_eq!(
            state.counters.of("view"),
            click + 2,
            "fresh, but without the event"
        );
    }
    engine.shutdown().await;
}
