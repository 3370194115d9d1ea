//! Products as shops offer them: into the log, and what bans held back of them.

use crate::Engine;
use crate::error::EngineError;
use crate::ingest;
use crate::newest::newest;
use vitrina_ports::log::{Append, Offset, Records};
use vitrina_ports::state::Space;
use vitrina_types::ban::Filtered;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::product::Product;
use vitrina_types::record::{ShopEnvelope, ShopRecord};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

impl Engine {
    /// Takes in products that are to be held against the bans; durable when it resolves. What no
    /// ban holds back comes into the catalogue soon after.
    ///
    /// # Errors
    /// `Overloaded`, or the log's error; nothing was accepted then.
    pub async fn offer_products(&self, products: Vec<Product>) -> Result<(), EngineError> {
        let shared = &self.shared;
        ingest::check_lag(shared, Space::Shop)?;
        let mut partitions = vec![Records::default(); usize::from(PARTITIONS)];
        let ingest_time = shared.now();
        for product in products {
            let partition = Partition::of(product.product_id.as_str());
            let envelope = ShopEnvelope {
                ingest_time,
                record: ShopRecord::Offered(Box::new(product)),
            };
            partitions[partition.at()].push_with(|out| stored::encode_into(&envelope, out));
        }
        let keyed = partitions.into_iter().zip(Partition::all());
        let filled = keyed.filter(|(records, _)| !records.is_empty());
        let appends = filled.map(|(records, partition)| Append {
            topic: Topic::ShopProducts,
            partition,
            records,
        });
        shared.ports.log.append(appends.collect()).await?;
        Ok(())
    }

    /// The newest products that a ban held back before `before`, newest first, with their numbers.
    ///
    /// # Errors
    /// The log's.
    pub async fn filtered_events(
        &self,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<Vec<(Offset, Filtered)>, EngineError> {
        newest(&self.shared, Topic::FilteredEvents, before, limit).await
    }
}
