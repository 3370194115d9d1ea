//! Products that no ban held back, into the catalogue.
//!
//! The write and the position are two steps: after a crash between them products are written
//! again. That changes nothing, because a product that is there already, or newer there, is left
//! alone.

use crate::follow::{FollowStep, Follower};
use crate::shared::Shared;
use bytes::Bytes;
use vitrina_ports::catalogue::{Expect, Kind, Write};
use vitrina_ports::log::{Consumed, Consumer, Offset};
use vitrina_ports::{PortError, PortFuture};
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
            for record in step.records {
                let product: Product =
                    stored::decode(&record.bytes).map_err(|error| PortError::Damaged {
                        what: format!("product at {}: {error}", record.offset),
                    })?;
                if is_news(shared, &product).await? {
                    writes.push(Write {
                        kind: Kind::Product,
                        id: product.product_id.as_str().to_owned(),
                        expect: Expect::Any,
                        body: Some(Bytes::from(stored::encode(&product))),
                    });
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
    Ok(known.is_none_or(|known| known.updated_at <= product.updated_at && known != *product))
}
