//! The shop stage: products as shops send them, held against the bans.
//!
//! The law: a ban holds from its own position in the partition on, and until the position of its
//! lifting; nothing before is looked at again. Each partition hears of each ban, so each has its
//! own position.

mod bans;
pub(crate) mod bounds;

pub use bans::Bans;

use crate::operator::{Operator, decode_stored};
use crate::outbox::Outbox;
use crate::watermark;
use crate::working::Working;
use vitrina_types::ban::Filtered;
use vitrina_types::event::Rejection;
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ShopEnvelope, ShopRecord};
use vitrina_types::state::{ProductValue, TaskState};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Parts products that no ban holds from those that one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShopStage;

impl Operator for ShopStage {
    type Record = ShopEnvelope;
    /// It keeps nothing by key: all it remembers are bans, and those as a whole.
    type Value = ProductValue;
    type Resident = Bans;

    const NAME: &'static str = "shop-stage";
    const INPUT: Topic = Topic::ShopProducts;

    fn decode(&self, bytes: &[u8]) -> Result<ShopEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, _record: &ShopEnvelope, _keys: &mut Vec<String>) {}

    fn ingest_time(&self, record: &ShopEnvelope) -> IngestTime {
        record.ingest_time
    }

    fn apply(
        &self,
        record: &ShopEnvelope,
        state: &mut Working<ProductValue, Bans>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let now = record.ingest_time;
        watermark::advance(task, now.as_event_time(), now, 0);
        match &record.record {
            ShopRecord::Offered(product) => offer(product, now, &state.resident, out),
            ShopRecord::Ban {
                version,
                target,
                banned,
            } => state.resident.set(target, *version, *banned),
        }
    }
}

fn offer(product: &Product, ingest_time: IngestTime, bans: &Bans, out: &mut Outbox) {
    let Some(ban) = bans.first(product) else {
        let partition = Partition::of(product.product_id.as_str());
        out.send(Topic::FilteredProducts, partition, product);
        return;
    };
    let filtered = Filtered {
        ingest_time,
        ban: ban.id().into(),
        product: Box::new(product.clone()),
    };
    out.send(Topic::FilteredEvents, Partition(0), &filtered);
}
