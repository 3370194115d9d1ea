//! A query: who asks for what, where and when, in the shop's own names.

use vitrina_types::id::{PlacementId, ProductId};
use vitrina_types::money::Amount;
use vitrina_types::time::EventTime;

/// What the slate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Purpose {
    /// What this visitor may want next.
    #[default]
    Recommend,
    /// What is like the product in view, for anybody.
    Similar,
    /// What goes with the product in view or with the cart.
    BoughtTogether,
}

/// What the visitor or the page asks to see. Everything left empty lets everything through.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct QueryFilter {
    /// Dotted category paths; a product passes when it lies in any of them, at any depth.
    pub categories: Vec<Box<str>>,
    /// Brands; a product passes when it is of any of them.
    pub brands: Vec<Box<str>>,
    /// Lowest price, inclusive. A product without a price does not pass.
    pub min_price: Option<Amount>,
    /// Highest price, inclusive. A product without a price does not pass.
    pub max_price: Option<Amount>,
    /// Only what is in stock as far as known, also where the placement shows the rest.
    pub in_stock: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The moment of asking.
    pub now: EventTime,
    /// Where the slate will be shown.
    pub placement: PlacementId,
    /// Items wanted; read as 1 when 0 and as
    /// [`SLATE_ITEMS_MAX`](vitrina_types::limits::SLATE_ITEMS_MAX) when above it.
    pub limit: usize,
    /// Decides between equals, and drives exploration where the placement has any.
    pub seed: u64,
    /// The product in view.
    pub product: Option<ProductId>,
    /// Products of the visit so far, newest last.
    pub session: Vec<ProductId>,
    /// Products in the cart.
    pub cart: Vec<ProductId>,
    /// What may be shown.
    pub filter: QueryFilter,
    /// Products not to show.
    pub exclude: Vec<ProductId>,
    /// What the slate is for.
    pub purpose: Purpose,
}

impl Query {
    /// A query for `limit` items with nothing else said.
    pub fn new(now: EventTime, placement: PlacementId, limit: usize) -> Self {
        Self {
            now,
            placement,
            limit,
            seed: 0,
            product: None,
            session: Vec::new(),
            cart: Vec::new(),
            filter: QueryFilter::default(),
            exclude: Vec::new(),
            purpose: Purpose::Recommend,
        }
    }
}
