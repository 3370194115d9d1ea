//! Products under a ban.

use super::Filter;
use crate::candidate::Candidate;
use crate::items::Facts;
use crate::view::View;

/// Removes products banned by id, SKU, brand or pattern.
pub(super) struct Banned;

impl Filter for Banned {
    fn name(&self) -> &'static str {
        "banned"
    }

    fn removes(&self, _view: &View<'_>, _candidate: &Candidate, facts: &Facts) -> bool {
        facts.is_banned()
    }
}
