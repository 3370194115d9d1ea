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
                products = Plan::of(products, shared).await?.write(shared).await?;
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

/// Products to be written, each where the catalogue still stands as it was looked at.
#[derive(Default)]
struct Plan {
    products: Vec<Product>,
    writes: Vec<Write>,
}

impl Plan {
    /// Those that the catalogue does not know yet, nor anything newer.
    async fn of(products: Vec<Product>, shared: &Shared) -> Result<Self, PortError> {
        let mut newest: FxHashMap<ProductId, Product> = FxHashMap::default();
        for product in products {
            let known = newest.get(&product.product_id);
            if known.is_none_or(|known| is_newer(known, &product)) {
                newest.insert(product.product_id.clone(), product);
            }
        }
        let mut plan = Self::default();
        for (id, product) in newest {
            let found = shared.ports.catalogue.get(Kind::Product, id.as_str());
            let found = found.await?;
            let known = found.as_ref();
            let known = known.and_then(|entry| stored::decode::<Product>(&entry.body).ok());
            if known.is_some_and(|known| !is_newer(&known, &product)) {
                continue;
            }
            plan.writes.push(Write {
                kind: Kind::Product,
                id: id.as_str().to_owned(),
                expect: found.map_or(Expect::Absent, |entry| Expect::Version(entry.version)),
                body: Some(Bytes::from(stored::encode(&product))),
            });
            plan.products.push(product);
        }
        Ok(plan)
    }

    /// Writes them, and answers those that somebody else wrote meanwhile.
    async fn write(self, shared: &Shared) -> Result<Vec<Product>, PortError> {
        if self.writes.is_empty() {
            return Ok(Vec::new());
        }
        let outcomes = shared.ports.catalogue.write(self.writes).await?;
        let refused = self.products.into_iter().zip(outcomes);
        let refused = refused.filter(|(_, outcome)| matches!(outcome, Outcome::Conflict { .. }));
        Ok(refused.map(|(product, _)| product).collect())
    }
}

/// Whether `product` is to take the place of `known`.
fn is_newer(known: &Product, product: &Product) -> bool {
    known.updated_at <= product.updated_at && known != product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EngineOptions, Ports};
    use std::sync::Arc;
    use vitrina_ports::log::LogRecord;
    use vitrina_types::time::{EventTime, IngestTime};

    fn product_at(at: i64) -> Product {
        Product::bare(ProductId::new("p").unwrap(), EventTime(at))
    }

    fn offered(offset: Offset, at: i64) -> LogRecord {
        LogRecord {
            offset,
            bytes: Bytes::from(stored::encode(&product_at(at))),
        }
    }

    fn shared() -> Shared {
        let clock = Arc::new(|| IngestTime(1_000));
        Shared::new(Ports::in_memory(), EngineOptions::default(), clock)
    }

    /// What a shop puts between the look and the write is not lost to something older.
    #[tokio::test]
    async fn a_product_put_meanwhile_is_looked_at_again() {
        for (put_at, writes_again) in [(3, 0), (1, 1)] {
            let shared = shared();
            let plan = Plan::of(vec![product_at(2)], &shared).await.unwrap();
            let put = Write {
                kind: Kind::Product,
                id: "p".to_owned(),
                expect: Expect::Any,
                body: Some(offered(0, put_at).bytes),
            };
            shared.ports.catalogue.write(vec![put]).await.unwrap();
            let refused = plan.write(&shared).await.unwrap();
            assert_eq!(refused, [product_at(2)], "{put_at}");
            let again = Plan::of(refused, &shared).await.unwrap();
            assert_eq!(again.products.len(), writes_again, "{put_at}");
            assert_eq!(again.write(&shared).await.unwrap(), [], "{put_at}");
        }
    }

    /// Whatever the step they come in: what is newer there is left alone.
    #[tokio::test]
    async fn an_older_product_behind_a_newer_one_of_the_same_step_is_left_out() {
        let shared = shared();
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
