//! Bans: products that must not be shown.

use crate::id::{ProductId, Sku};
use crate::stored::Stored;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// What is banned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BanTarget {
    /// One product.
    Product(ProductId),
    /// Every product with this SKU.
    Sku(Sku),
}

impl BanTarget {
    /// The ban's id: `product:<id>` or `sku:<sku>`.
    pub fn id(&self) -> String {
        match self {
            Self::Product(id) => format!("product:{id}"),
            Self::Sku(sku) => format!("sku:{sku}"),
        }
    }

    /// The target with this ban id.
    pub fn from_id(id: &str) -> Option<Self> {
        if let Some(product) = id.strip_prefix("product:") {
            return ProductId::new(product).ok().map(Self::Product);
        }
        let sku = id.strip_prefix("sku:")?;
        Sku::new(sku).ok().map(Self::Sku)
    }
}

/// A ban, with who set it and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ban {
    /// What.
    pub target: BanTarget,
    /// Why.
    pub reason: Box<str>,
    /// Who.
    pub author: Box<str>,
    /// Since when.
    pub created_at: EventTime,
}

impl Stored for Ban {
    const NAME: &'static str = "ban";
    const VERSION: u8 = 1;
}
