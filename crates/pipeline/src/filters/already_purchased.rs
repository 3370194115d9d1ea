//! Products the visitor owns.

use super::Filter;
use crate::candidate::{Candidate, Marks};
use crate::items::Facts;
use crate::view::View;

/// Removes what the visitor has bought, where the placement hides it.
pub(super) struct AlreadyPurchased;

impl Filter for AlreadyPurchased {
    fn name(&self) -> &'static str {
        "already_purchased"
    }

    fn removes(&self, view: &View<'_>, candidate: &Candidate, _facts: &Facts) -> bool {
        view.placement.hide_purchased && candidate.marks.has(Marks::PURCHASED)
    }
}
