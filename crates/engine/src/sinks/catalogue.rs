//! Products that no ban held back, into the catalogue.
//!
//! The write and the position are two steps: after a crash between them products are written
//! again. That changes nothing, because a product that is there already, or newer there, is left
//! alone.

use crate::follow::{FollowStep, Follower};
use crate::shared::Shared;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use vitrina_ports::catalogue::{Expect, Kind, Write};
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

impl CatalogueSink {
    /// Whether everything it follows is in the catalogue.
    pub(crate) async fn is_settled(shared: &Shared) -> bool {
        for partition in Partition::all() {
            let end = shared
                .ports
                .log
                .bounds(Topic::FilteredProducts, partition)
                .end;
            if end == 0 {
                continue;
            }
            let position = shared.ports.log.committed(&consumer(partition)).await;
            if !position.is_ok_and(|position| position.is_some_and(|at| at >= end)) {
                return false;
            }
        }
        true
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
            let mut writes: Vec<Write> = Vec::new();
            // Products of this step, as they are once it is written.
            let mut written: FxHashMap<ProductId, Product> = FxHashMap::default();
            for record in step.records {
                let product: Product =
                    stored::decode(&record.bytes).map_err(|error| PortError::Damaged {
                        what: format!("product at {}: {error}", record.offset),
                    })?;
                let is_news = match written.get(&product.product_id) {
                    Some(known) => is_newer(known, &product),
                    None => is_news(shared, &product).await?,
                };
                if is_news {
                    writes.push(Write {
                        kind: Kind::Product,
                        id: product.product_id.as_str().to_owned(),
                        expect: Expect::Any,
                        body: Some(Bytes::from(stored::encode(&product))),
                    });
                    written.insert(product.product_id.clone(), product);
                }
            }
            if !writes.is_empty() {
                shared.ports.catalogue.write(writes).await?;
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

/// Whether the catalogue does not know this yet, nor anything newer.
async fn is_news(shared: &Shared, product: &Product) -> Result<bool, PortError> {
    let id = product.product_id.as_str();
    let found = shared.ports.catalogue.get(Kind::Product, id).await?;
    let known = found.and_then(|entry| stored::decode::<Product>(&entry.body).ok());
    Ok(known.is_none_or(|known| is_newer(&known, product)))
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

    fn offered(offset: Offset, at: i64) -> LogRecord {
        let product = Product::bare(ProductId::new("p").unwrap(), EventTime(at));
        LogRecord {
            offset,
            bytes: Bytes::from(stored::encode(&product)),
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
        assert_eq!((product.updated_at, found.version), (EventTime(3), 2));
    }
}
