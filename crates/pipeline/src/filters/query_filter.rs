//! Products outside what the query asks to see.

use super::Filter;
use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Removes what is outside the query's categories, brands, prices and stock.
pub(super) struct ByQuery;

impl Filter for ByQuery {
    fn name(&self) -> &'static str {
        "query_filter"
    }

    fn removes(&self, view: &View<'_>, _candidate: &Candidate, facts: &Facts) -> bool {
        !view.hydrated.filter.passes(view.items, facts)
    }
}
