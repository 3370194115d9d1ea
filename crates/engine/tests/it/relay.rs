//! The relay across a crash between publish and trim.

use crate::support::{engine, product, start};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vitrina_ports::PortFuture;
use vitrina_ports::catalogue::{Catalogue, Entry, Expect, Kind, OutboxChange, Outcome, Write};
use vitrina_ports::log::EventLog;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// A catalogue that loses every trim while told to: what a crash before the trim looks like.
pub(crate) struct Untrimmed {
    pub(crate) inner: Arc<dyn Catalogue>,
    pub(crate) loses_trims: AtomicBool,
}

impl Catalogue for Untrimmed {
    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> PortFuture<'a, Option<Entry>> {
        self.inner.get(kind, id)
    }

    fn list<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Vec<Entry>> {
        self.inner.list(kind, after, limit)
    }

    fn write(&self, writes: Vec<Write>) -> PortFuture<'_, Vec<Outcome>> {
        self.inner.write(writes)
    }

    fn outbox(&self, from: u64, limit: usize) -> PortFuture<'_, Vec<OutboxChange>> {
        self.inner.outbox(from, limit)
    }

    fn trim_outbox(&self, before: u64) -> PortFuture<'_, ()> {
        if self.loses_trims.load(Ordering::SeqCst) {
            return Box::pin(async { Ok(()) });
        }
        self.inner.trim_outbox(before)
    }

    fn outbox_reached(&self, from: u64) -> PortFuture<'_, ()> {
        self.inner.outbox_reached(from)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_in_the_outbox_is_published_once_and_forgotten() {
    let (first, mut ports) = engine().await;
    first.shutdown().await;
    let catalogue = Arc::new(Untrimmed {
        inner: Arc::clone(&ports.catalogue),
        loses_trims: AtomicBool::new(true),
    });
    ports.catalogue = Arc::clone(&catalogue) as _;
    let engine = start(&ports).await;
    let products = vec![(product("p", "lamps"), Expect::Any)];
    assert!(engine.put_products(products, true).await.unwrap()[0].visible);
    engine.shutdown().await;
    assert_eq!(catalogue.outbox(0, 10).await.unwrap().len(), 1);
    catalogue.loses_trims.store(false, Ordering::SeqCst);
    let again = start(&ports).await;
    let settled = tokio::time::timeout(Duration::from_secs(20), again.settled());
    assert!(settled.await.is_ok(), "the outbox is never found empty");
    again.shutdown().await;
    assert!(catalogue.outbox(0, 10).await.unwrap().is_empty());
    let published = ports.log.bounds(Topic::ProductNew, Partition(0));
    assert_eq!(published.end, 1, "published once");
}
