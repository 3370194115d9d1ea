//! Products that the query does not want to see.

use super::Filter;
use crate::candidate::{Candidate, Marks};
use crate::items::Facts;
use crate::view::View;

/// Removes what the query excludes, the product in view and what is in the cart.
pub(super) struct Excluded;

impl Filter for Excluded {
    fn name(&self) -> &'static str {
        "excluded"
    }

    fn removes(&self, _view: &View<'_>, candidate: &Candidate, _facts: &Facts) -> bool {
        candidate.marks.has(Marks::EXCLUDED)
    }
}
