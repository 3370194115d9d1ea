//! Products that the catalogue lost, or that were only ever named by others.

use super::Filter;
use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Removes deleted products and those of which nothing is known.
pub(super) struct Unknown;

impl Filter for Unknown {
    fn name(&self) -> &'static str {
        "unknown"
    }

    fn removes(&self, _view: &View<'_>, _candidate: &Candidate, facts: &Facts) -> bool {
        !facts.is_known()
    }
}
