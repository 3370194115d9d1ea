//! Old data: exactly once a position.

use crate::support::{clock, engine, ingest, products, raw, recommend, start, view};
use vitrina_engine::{Engine, EngineError, EngineOptions, Ports, RecommendRequest, Roles, Visitor};
use vitrina_pipeline::Query;
use vitrina_ports::PortError;
use vitrina_types::id::{PlacementId, UserId};
use vitrina_types::time::EventTime;

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_imported_once() {
    let (engine, _) = engine().await;
    let old = r#"{"event_type":"view","user_id":"u","product_id":"p","event_time":"2019-10-01T00:00:00Z"}"#;
    assert_eq!(engine.import_position("file").await.unwrap(), None);
    let receipt = engine
        .import("file", None, 100, vec![raw(old), raw("{")])
        .await
        .unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (1, 1));
    assert_eq!(engine.import_position("file").await.unwrap(), Some(100));
    let twice = engine.import("file", None, 100, vec![raw(old)]).await;
    let refused = matches!(
        twice,
        Err(EngineError::Port(PortError::PositionMismatch { .. }))
    );
    assert!(refused, "{twice:?}");
    engine.settled().await;
    let user = Visitor::User(UserId::new("u").unwrap());
    let state = engine.visitor(&user).await.unwrap().unwrap();
    assert_eq!(state.counters.of("view"), 1);
    assert_eq!(engine.dead_letters(None, 10).await.unwrap().len(), 1);
    engine.shutdown().await;
}

/// An engine that only streams refuses answers, and leaves behind all that the next one needs for
/// them.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_gives_no_answers_leaves_them_to_the_next() {
    let ports = Ports::in_memory();
    let options = EngineOptions {
        roles: Roles {
            answers: false,
            ..Roles::all()
        },
        ..EngineOptions::default()
    };
    let streaming = Engine::start(ports.clone(), options, clock())
        .await
        .unwrap();
    ingest(
        &streaming,
        vec![view("u", "p1", "e1"), view("v", "p2", "e2")],
    )
    .await;
    streaming.settled().await;
    let query = Query::new(EventTime(0), PlacementId::new("home").unwrap(), 10);
    let refused = streaming
        .recommend(RecommendRequest::new(None, query))
        .await;
    assert!(
        matches!(refused, Err(EngineError::NoAnswers)),
        "{refused:?}"
    );
    assert_eq!(streaming.status().products, 0);
    streaming.shutdown().await;
    let answering = start(&ports).await;
    let answer = recommend(&answering, "w", None).await;
    let mut found = products(&answer);
    found.sort_unstable();
    assert_eq!(found, ["p1", "p2"]);
    answering.shutdown().await;
}
