//! Records of `shop-products`: products as shops send them, and the bans they are held against.

use crate::ban::BanTarget;
use crate::product::Product;
use crate::stored::Stored;
use crate::time::IngestTime;
use serde::{Deserialize, Serialize};

/// A record of `shop-products`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShopEnvelope {
    /// When it was taken in.
    pub ingest_time: IngestTime,
    /// The record.
    pub record: ShopRecord,
}

/// What a shop task reads. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ShopRecord {
    /// A shop offers a product. In the product's partition.
    Offered(Box<Product>),
    /// A ban was set or lifted; it holds from here on. In every partition.
    Ban {
        /// The version.
        version: u64,
        /// What.
        target: BanTarget,
        /// Whether it is banned from here on.
        banned: bool,
    },
}

impl Stored for ShopEnvelope {
    const NAME: &'static str = "shop-products record";
    const VERSION: u8 = 1;
}
