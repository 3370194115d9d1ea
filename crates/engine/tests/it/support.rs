//! An engine over in-memory ports, and how to speak to it.

use bytes::Bytes;
use std::sync::Arc;
use vitrina_engine::{
    Answer, Clock, Engine, EngineOptions, Ports, RawEvent, Receipt, RecommendRequest, Visitor,
};
use vitrina_pipeline::Query;
use vitrina_ports::log::EventLog;
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::state::StateStore;
use vitrina_ports::state::memory::MemoryState;
use vitrina_types::id::{PlacementId, ProductId, UserId};
use vitrina_types::product::Product;
use vitrina_types::time::{EventTime, IngestTime};

/// The moment of every test: time stands still.
pub(crate) const NOW: i64 = 1_700_000_000_000;

/// A clock that stands still.
pub(crate) fn clock() -> Clock {
    Arc::new(|| IngestTime(NOW))
}

/// Ports over these stores.
pub(crate) fn ports(log: Arc<dyn EventLog>, state: Arc<dyn StateStore>) -> Ports {
    Ports {
        log,
        state,
        ..Ports::in_memory()
    }
}

/// A fresh engine.
pub(crate) async fn engine() -> (Arc<Engine>, Ports) {
    let ports = ports(Arc::new(MemoryLog::new()), Arc::new(MemoryState::new()));
    (start(&ports).await, ports)
}

/// An engine on these ports.
pub(crate) async fn start(ports: &Ports) -> Arc<Engine> {
    Engine::start(ports.clone(), EngineOptions::default(), clock())
        .await
        .expect("starts")
}

/// One event as JSON.
pub(crate) fn raw(json: &str) -> RawEvent {
    RawEvent::Json(Bytes::copy_from_slice(json.as_bytes()))
}

/// A view of `product` by `user`.
pub(crate) fn view(user: &str, product: &str, id: &str) -> RawEvent {
    raw(&format!(
        r#"{{"event_id":"{id}","event_type":"view","user_id":"{user}","product_id":"{product}"}}"#
    ))
}

/// Takes events in.
pub(crate) async fn ingest(engine: &Engine, events: Vec<RawEvent>) -> Receipt {
    engine.ingest(events, "test").await.expect("taken in")
}

/// A slate of ten for a user.
pub(crate) async fn recommend(engine: &Engine, user: &str, after: Option<&Receipt>) -> Answer {
    let placement = PlacementId::new("home").expect("id");
    let visitor = Visitor::User(UserId::new(user).expect("id"));
    let query = Query::new(EventTime(0), placement, 10);
    let request = RecommendRequest {
        after: after.map(|receipt| receipt.position.clone()),
        ..RecommendRequest::new(Some(visitor), query)
    };
    engine.recommend(request).await.expect("answers")
}

/// The products of an answer.
pub(crate) fn products(answer: &Answer) -> Vec<&str> {
    let ids = answer.items.iter().map(|item| &item.product.product_id);
    ids.map(ProductId::as_str).collect()
}

/// A product with a category.
pub(crate) fn product(id: &str, category: &str) -> Product {
    let id = ProductId::new(id).expect("id");
    Product {
        category_path: vec![category.into()],
        ..Product::bare(id, EventTime(NOW))
    }
}
