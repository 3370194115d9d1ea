//! Products that no ban held back, into the catalogue.
//!
//! The write and the position are two steps: after a crash between them products are written
//! again. That changes nothing, because a product that is there already, or newer there, is left
//! alone.

use crate::follow::{FollowStep, Follower};
use crate::shared::Shared;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use vitrina_ports::catalogue::{Expect, Kind, Outcome, Write};
use vitrina_ports::log::{Consumed, Consumer, Offset};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::id::ProductId;
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Follows `filtered-products` into the catalogue.
pub(crate) struct CatalogueSink;

/// Whose position in `filtered-products` it is.
pub(crate) fn consumer(partition: Partition) -> Consumer {
    Consumer {
        name: "catalogue-sink",
        source: format!("{}/{}", Topic::FilteredProducts, partition.0),
    }
}

impl Follower for CatalogueSink {
    fn name(&self) -> &'static str {
        "catalogue-sink"
    }

    fn topic(&self) -> Topic {
        Topic::FilteredProducts
    }

    fn partitions(&self) -> Vec<Partition> {
        Partition::all().collect()
    }

    fn position<'a>(
        &'a self,
        shared: &'a Shared,
        partition: Partition,
    ) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async move { shared.ports.log.committed(&consumer(partition)).await })
    }

    fn apply<'a>(&'a self, shared: &'a Shared, step: FollowStep<'a>) -> PortFuture<'a, ()> {
        Box::pin(async move {
            let mut products = Vec::with_capacity(step.records.len());
            for record in step.records {
                let product: Product =
                    stored::decode(&record.bytes).map_err(|error| PortError::Damaged {
                        what: format!("product at {}: {error}", record.offset),
                    })?;
                products.push(product);
            }
            // What somebody else writes in between is looked at again: it may be newer.
            while !products.is_empty() {
                products = write(shared, products).await?;
            }
            let consumed = vec![Consumed {
                consumer: consumer(step.partition),
                expected: step.expected,
                next: step.next,
            }];
            shared
                .ports
                .log
                .publish(Vec::new(), consumed, false)
                .await?;
            Ok(())
        })
    }
}

/// Writes those that the catalogue does not know yet, nor anything newer, and answers those that
/// somebody else wrote meanwhile.
async fn write(shared: &Shared, products: Vec<Product>) -> Result<Vec<Product>, PortError> {
    let mut newest: FxHashMap<ProductId, Product> = FxHashMap::default();
    for product in products {
        let known = newest.get(&product.product_id);
        if known.is_none_or(|known| is_newer(known, &product)) {
            newest.insert(product.product_id.clone(), product);
        }
    }
    let (mut writes, mut written) = (Vec::new(), Vec::new());
    for (id, product) in newest {
        let found = shared.ports.catalogue.get(Kind::Product, id.as_str());
        let found = found.await?;
        let known = found.as_ref();
        let known = known.and_then(|entry| stored::decode::<Product>(&entry.body).ok());
        if known.is_some_and(|known| !is_newer(&known, &product)) {
            continue;
        }
        writes.push(Write {
            kind: Kind::Product,
            id: id.as_str().to_owned(),
            expect: found.map_or(Expect::Absent, |entry| Expect::Version(entry.version)),
            body: Some(Bytes::from(stored::encode(&product))),
        });
        written.push(product);
    }
    if writes.is_empty() {
        return Ok(Vec::new());
    }
    let outcomes = shared.ports.catalogue.write(writes).await?;
    let refused = written.into_iter().zip(outcomes);
    let refused = refused.filter(|(_, outcome)| matches!(outcome, Outcome::Conflict { .. }));
    Ok(refused.map(|(product, _)| product).collect())
}

/// Whether `product` is to take the place of `known`.
fn is_newer(known: &Product, product: &Product) -> bool {
    known.updated_at <= product.updated_at && known != product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EngineOptions, Ports};
    use parking_lot::Mutex;
    use std::sync::Arc;
    use vitrina_ports::catalogue::memory::MemoryCatalogue;
    use vitrina_ports::catalogue::{Catalogue, Entry, OutboxChange};
    use vitrina_ports::log::LogRecord;
    use vitrina_types::time::{EventTime, IngestTime};

    fn stored_at(at: i64) -> Bytes {
        let product = Product::bare(ProductId::new("p").unwrap(), EventTime(at));
        Bytes::from(stored::encode(&product))
    }

    fn offered(offset: Offset, at: i64) -> LogRecord {
        LogRecord {
            offset,
            bytes: stored_at(at),
        }
    }

    /// A catalogue in which somebody writes right after the first look.
    struct Meddled {
        inner: MemoryCatalogue,
        writes: Mutex<Option<Write>>,
    }

    impl Catalogue for Meddled {
        fn get<'a>(&'a self, kind: Kind, id: &'a str) -> PortFuture<'a, Option<Entry>> {
            Box::pin(async move {
                let found = self.inner.get(kind, id).await;
                let write = self.writes.lock().take();
                if let Some(write) = write {
                    self.inner.write(vec![write]).await?;
                }
                found
            })
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
            self.inner.trim_outbox(before)
        }

        fn outbox_reached(&self, from: u64) -> PortFuture<'_, ()> {
            self.inner.outbox_reached(from)
        }
    }

    /// What a shop puts between the look and the write is not lost to something older.
    #[tokio::test]
    async fn a_newer_product_put_meanwhile_stays() {
        for (put_at, stays) in [(3, 3), (1, 2)] {
            let put = Write {
                kind: Kind::Product,
                id: "p".to_owned(),
                expect: Expect::Any,
                body: Some(stored_at(put_at)),
            };
            let catalogue = Meddled {
                inner: MemoryCatalogue::new(),
                writes: Mutex::new(Some(put)),
            };
            let ports = Ports {
                catalogue: Arc::new(catalogue),
                ..Ports::in_memory()
            };
            let clock = Arc::new(|| IngestTime(1_000));
            let shared = Shared::new(ports, EngineOptions::default(), clock);
            let step = FollowStep {
                partition: Partition::of("p"),
                expected: None,
                next: 1,
                records: &[offered(0, 2)],
            };
            CatalogueSink.apply(&shared, step).await.unwrap();
            let found = shared.ports.catalogue.get(Kind::Product, "p").await;
            assert_eq!(found.unwrap().unwrap().body, stored_at(stays), "{put_at}");
        }
    }

    /// Whatever the step they come in: what is newer there is left alone.
    #[tokio::test]
    async fn an_older_product_behind_a_newer_one_of_the_same_step_is_left_out() {
        let clock = Arc::new(|| IngestTime(1_000));
        let shared = Shared::new(Ports::in_memory(), EngineOptions::default(), clock);
        let records = [offered(0, 1), offered(1, 3), offered(2, 2)];
        let step = FollowStep {
            partition: Partition::of("p"),
            expected: None,
            next: 3,
            records: &records,
        };
        CatalogueSink.apply(&shared, step).await.unwrap();
        let found = shared.ports.catalogue.get(Kind::Product, "p").await;
        let found = found.unwrap().unwrap();
        let product: Product = stored::decode(&found.body).unwrap();
        assert_eq!((product.updated_at, found.version), (EventTime(3), 1));
    }
}
