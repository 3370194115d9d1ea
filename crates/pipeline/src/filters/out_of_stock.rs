//! Products that the shop does not offer now.

use super::Filter;
use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Removes what is unavailable, out of stock or expired, where the placement hides it.
pub(super) struct OutOfStock;

impl Filter for OutOfStock {
    fn name(&self) -> &'static str {
        "out_of_stock"
    }

    fn removes(&self, view: &View<'_>, _candidate: &Candidate, facts: &Facts) -> bool {
        view.placement.hide_out_of_stock && !facts.is_offered(view.query.now)
    }
}
