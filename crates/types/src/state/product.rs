//! All state of one product, category or ban.

use crate::ban::BanTarget;
use crate::decayed::{DecayedCount, WindowedCount};
use crate::event::Counters;
use crate::id::ProductId;
use crate::money::{Amount, Currency};
use crate::product::Product;
use crate::stored::Stored;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// A product met together with another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The other product.
    pub product: ProductId,
    /// How strongly, decaying.
    pub weight: DecayedCount,
}

/// The strongest neighbours of a product, bounded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Neighbours {
    /// In no particular order.
    pub entries: Vec<Neighbour>,
}

impl Neighbours {
    /// Adds `weight` to the neighbour `product`; when there are more than `limit`, the weakest
    /// as of the newest time is forgotten. O(limit).
    pub fn add(
        &mut self,
        product: &ProductId,
        weight: f32,
        at: EventTime,
        half_life_ms: f64,
        limit: usize,
    ) {
        let found = self.entries.iter().position(|n| n.product == *product);
        let place = found.unwrap_or_else(|| {
            self.entries.push(Neighbour {
                product: product.clone(),
                weight: DecayedCount::default(),
            });
            self.entries.len() - 1
        });
        self.entries[place]
            .weight
            .add(half_life_ms, at, f64::from(weight));
        if self.entries.len() > limit {
            self.forget_weakest(half_life_ms);
        }
    }

    fn forget_weakest(&mut self, half_life_ms: f64) {
        let keys = self.entries.iter().map(|n| n.weight.rank_key(half_life_ms));
        let weakest = keys.enumerate().min_by(|&(a, key), &(b, other)| {
            let names = || self.entries[b].product.cmp(&self.entries[a].product);
            key.total_cmp(&other).then_with(names)
        });
        if let Some((weakest, _)) = weakest {
            self.entries.swap_remove(weakest);
        }
    }
}

/// All state of one product.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProductState {
    /// What the catalogue says; `None` for a product known from events only, or deleted.
    pub card: Option<Box<Product>>,
    /// Version of the newest catalogue change seen; 0 before the first.
    pub card_version: u64,
    /// Whether the catalogue had it and deleted it.
    pub deleted: bool,
    /// Events by kind.
    pub counters: Counters,
    /// Decayed interest.
    pub interest: DecayedCount,
    /// Interest over the last hour, day and week.
    pub windows: WindowedCount,
    /// Products met in the same session.
    pub covisits: Neighbours,
    /// Products bought in the same order or session.
    pub bought_together: Neighbours,
    /// Money moved, by currency.
    pub revenue: Vec<(Currency, Amount)>,
    /// First event.
    pub first_seen: EventTime,
    /// Newest event.
    pub last_seen: EventTime,
}

/// All state of one category.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CategoryState {
    /// Events by kind.
    pub counters: Counters,
    /// Decayed interest.
    pub interest: DecayedCount,
}

/// A value of the product space. The order of variants is part of the stored form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ProductValue {
    /// Under `p/<product id>`.
    Product(Box<ProductState>),
    /// Under `c/<category>`.
    Category(CategoryState),
    /// Under `b/<ban id>`.
    Ban {
        /// Version of the newest change seen.
        version: u64,
        /// Whether it is in force.
        banned: bool,
    },
}

impl Stored for ProductValue {
    const NAME: &'static str = "product-space value";
    const VERSION: u8 = 1;
}

/// A key of the product space.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProductKey {
    /// A product.
    Product(ProductId),
    /// A category: levels joined by dots.
    Category(Box<str>),
    /// A ban.
    Ban(BanTarget),
}

impl ProductKey {
    /// The key as stored.
    pub fn stored(&self) -> String {
        match self {
            Self::Product(id) => format!("p/{id}"),
            Self::Category(category) => format!("c/{category}"),
            Self::Ban(target) => format!("b/{}", target.id()),
        }
    }

    /// The key stored so; `None` when it is none of ours.
    pub fn from_stored(key: &str) -> Option<Self> {
        let (space, rest) = key.split_once('/')?;
        match space {
            "p" => ProductId::new(rest).ok().map(Self::Product),
            "c" => Some(Self::Category(rest.into())),
            "b" => BanTarget::from_id(rest).map(Self::Ban),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let id = ProductId::new("a/b:c").unwrap();
        for key in [
            ProductKey::Product(id.clone()),
            ProductKey::Category("electronics.audio".into()),
            ProductKey::Ban(BanTarget::Product(id)),
        ] {
            assert_eq!(ProductKey::from_stored(&key.stored()), Some(key));
        }
    }

    #[test]
    fn the_weakest_neighbour_is_forgotten() {
        let mut neighbours = Neighbours::default();
        for (product, weight) in [("a", 3.0), ("b", 1.0), ("c", 2.0)] {
            let product = ProductId::new(product).unwrap();
            neighbours.add(&product, weight, EventTime(1_000), 1e9, 2);
        }
        let mut left: Vec<_> = neighbours
            .entries
            .iter()
            .map(|n| n.product.as_str())
            .collect();
        left.sort_unstable();
        assert_eq!(left, ["a", "c"]);
    }
}
