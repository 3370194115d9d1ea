//! Old data: exactly once a position.

use crate::support::{engine, raw};
use vitrina_engine::{EngineError, Visitor};
use vitrina_ports::PortError;
use vitrina_types::id::UserId;

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
