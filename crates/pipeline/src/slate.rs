//! A slate: what to show, in order, and why.

use crate::items::CategoryIx;
use vitrina_types::id::ProductIx;
use vitrina_types::score::Score;

/// Why a product was proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reason {
    /// Visitors who met this product met the proposed one too.
    BecauseViewed {
        /// The product the visitor met.
        product: ProductIx,
    },
    /// It is bought together with this product.
    BecauseBought {
        /// The product bought, in the cart or in view.
        product: ProductIx,
    },
    /// It is popular in a category near the visitor or the context.
    PopularInCategory {
        /// The category.
        category: CategoryIx,
    },
    /// It is popular.
    #[default]
    Popular,
    /// It is new in the catalogue.
    New,
    /// The visitor met it before.
    ViewedBefore,
}

impl Reason {
    /// The kind of reason, as in the API.
    pub fn kind(self) -> &'static str {
        match self {
            Self::BecauseViewed { .. } => "because_viewed",
            Self::BecauseBought { .. } => "because_bought",
            Self::PopularInCategory { .. } => "popular_in_category",
            Self::Popular => "popular",
            Self::New => "new",
            Self::ViewedBefore => "viewed_before",
        }
    }
}

/// One place of a slate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlateItem {
    /// The product.
    pub product: ProductIx,
    /// Its score by the blend; the order may differ, for diversity.
    pub score: Score,
    /// The source that spoke for it most.
    pub source: &'static str,
    /// Why.
    pub reason: Reason,
}

/// What to show, best first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slate {
    /// No product twice.
    pub items: Vec<SlateItem>,
}
