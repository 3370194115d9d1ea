//! Records of `product-signals`: what that means for products.

mod old;

use super::Upstream;
use crate::ban::BanTarget;
use crate::event::KindTag;
use crate::id::ProductId;
use crate::money::{Amount, Currency};
use crate::product::Product;
use crate::stored::{Stored, StoredError};
use crate::time::{EventTime, IngestTime, Progress};
use serde::{Deserialize, Serialize};

/// A record of `product-signals`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProductEnvelope {
    /// When its cause was taken in.
    pub ingest_time: IngestTime,
    /// Whether its cause is old data being loaded.
    pub backfill: bool,
    /// The record.
    pub record: ProductRecord,
}

/// What a product-keyed task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ProductRecord {
    /// A visitor did something with a product. In the product's partition.
    Interaction {
        /// The product.
        product: ProductId,
        /// The kind of event.
        kind: KindTag,
        /// Interest shown, unitless, at least 0.
        interest: f32,
        /// When.
        at: EventTime,
        /// Price times quantity, negative for a return. It is revenue where something was bought
        /// or came back.
        value: Option<(Currency, Amount)>,
        /// Pieces it is about, 1 where nothing was said.
        pieces: u32,
        /// 64-bit hash of the visitor; `None` for one who is not to be analysed.
        visitor: Option<u64>,
    },
    /// A visitor met two products in one session. In the partition of `product`; its mirror
    /// image goes to the partition of `neighbour`.
    CoVisit {
        /// The product.
        product: ProductId,
        /// The other one.
        neighbour: ProductId,
        /// Strength, unitless, at least 0.
        weight: f32,
        /// The later of the two event times.
        at: EventTime,
        /// Whether both were bought, not only seen.
        bought: bool,
    },
    /// The catalogue has a new version of a product. In the product's partition.
    Upsert {
        /// The version.
        version: u64,
        /// The product.
        product: Box<Product>,
    },
    /// The catalogue lost a product. In the product's partition.
    Delete {
        /// The version.
        version: u64,
        /// The product.
        product: ProductId,
    },
    /// Interest in a product of a category. In the partition of `category`.
    CategoryInteraction {
        /// Category path, levels joined by dots.
        category: Box<str>,
        /// The kind of event.
        kind: KindTag,
        /// Interest shown, unitless, at least 0.
        interest: f32,
        /// When.
        at: EventTime,
    },
    /// A ban was set or lifted. In the partition of the ban's id.
    Ban {
        /// The version.
        version: u64,
        /// What.
        target: BanTarget,
        /// Whether it is banned from here on.
        banned: bool,
    },
    /// Time passes. Written by older releases; time comes as [`Self::Reached`] now.
    Tick,
    /// A user task tells how far it has come. In partition 0, which gathers them.
    Upstream(Upstream),
    /// Every user task has come this far. In every partition.
    Reached(Progress),
    /// A task to itself: windows that ended are still to be told. In its own partition.
    Continue,
}

impl ProductRecord {
    /// The id that decides the partition; `None` for what is not about a key.
    pub fn partition_id(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(match self {
            Self::Interaction { product, .. }
            | Self::CoVisit { product, .. }
            | Self::Delete { product, .. } => product.as_str().into(),
            Self::Upsert { product, .. } => product.product_id.as_str().into(),
            Self::CategoryInteraction { category, .. } => (&**category).into(),
            Self::Ban { target, .. } => target.id().into(),
            Self::Upstream(_) => return None,
            Self::Tick | Self::Reached(_) | Self::Continue => return None,
        })
    }
}

impl Stored for ProductEnvelope {
    const NAME: &'static str = "product-signals record";
    const VERSION: u8 = 2;

    fn decode_old(version: u8, body: &[u8]) -> Result<Self, StoredError> {
        old::decode(version, body)
    }
}
