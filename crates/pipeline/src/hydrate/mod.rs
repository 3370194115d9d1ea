//! Hydration: a query in the shop's names becomes one in the table's numbers; and what the query
//! knows of products is written onto candidates.

mod affinity;
mod filter;
mod visitor;

pub(crate) use filter::ResolvedFilter;
pub(crate) use visitor::Recent;

use crate::candidate::{Candidate, Marks};
use crate::config::PipelineConfig;
use crate::dense::DenseMap;
use crate::items::{CategoryIx, Facts, ItemTable};
use crate::query::{Purpose, Query};
use vitrina_types::id::ProductIx;
use vitrina_types::state::UserState;

/// A query in the numbers of one [`ItemTable`], with what the visitor's state adds to it.
#[derive(Debug, Default)]
pub struct HydratedQuery {
    /// The product in view, when the table knows it.
    pub(crate) in_view: Option<ProductIx>,
    /// Products the visitor met, newest first, each once.
    pub(crate) recent: Vec<Recent>,
    /// What covisits start from: the product in view and the recent ones, as the purpose says.
    pub(crate) seeds: Vec<Recent>,
    /// What bought-together starts from: cart, product in view, purchases.
    pub(crate) bought: Vec<Recent>,
    pub(crate) cart: Vec<ProductIx>,
    /// What the query says of products.
    pub(crate) marks: DenseMap<Marks>,
    /// Share of the visitor's interest by category, at every level; 0 to 1.
    pub(crate) categories: DenseMap<f32>,
    /// Share of the visitor's interest by brand; 0 to 1.
    pub(crate) brands: DenseMap<f32>,
    /// Narrowest categories near the visitor or the page, nearest first, with their share.
    pub(crate) near: Vec<(CategoryIx, f32)>,
    pub(crate) filter: ResolvedFilter,
}

impl HydratedQuery {
    /// Fills itself anew.
    pub(crate) fn fill(
        &mut self,
        query: &Query,
        user: Option<&UserState>,
        items: &ItemTable,
        config: &PipelineConfig,
    ) {
        self.marks.clear();
        self.in_view = query
            .product
            .as_ref()
            .and_then(|id| items.find(id.as_str()));
        self.fill_recent(query, user, items, config);
        self.fill_marks(query, user, items);
        self.fill_seeds(query.purpose, config.in_view_weight);
        self.fill_bought(query.purpose, user, items);
        self.fill_affinity(items);
        self.filter.fill(&query.filter, items);
        self.fill_near(items);
    }

    fn fill_seeds(&mut self, purpose: Purpose, in_view_weight: f32) {
        self.seeds.clear();
        self.seeds.extend(self.in_view.map(|product| Recent {
            product,
            weight: in_view_weight,
        }));
        match purpose {
            Purpose::Recommend => {
                let in_view = self.in_view;
                let others = self.recent.iter().filter(|r| Some(r.product) != in_view);
                self.seeds.extend(others);
            }
            // What is like a product does not depend on who asks; without one in view, the
            // newest product of the visit stands in for it.
            Purpose::Similar if self.seeds.is_empty() => {
                self.seeds.extend(self.recent.first());
            }
            Purpose::Similar => {}
            Purpose::BoughtTogether => {
                for &product in &self.cart {
                    if Some(product) != self.in_view {
                        self.seeds.push(Recent {
                            product,
                            weight: 1.0,
                        });
                    }
                }
            }
        }
    }
}

/// Writes onto candidates what the query says of them, and lays their hot columns side by side.
pub(crate) fn candidates(
    hydrated: &HydratedQuery,
    items: &ItemTable,
    candidates: &mut [Candidate],
    facts: &mut Vec<Facts>,
) {
    facts.clear();
    facts.extend(
        candidates
            .iter()
            .map(|candidate| items.facts(candidate.product)),
    );
    for candidate in candidates {
        candidate.marks = hydrated.marks.get(candidate.product.0).unwrap_or_default();
    }
}
