//! What the visitor has just seen counts less.

use super::Scorer;
use crate::candidate::{Candidate, Marks};
use crate::items::Facts;
use crate::view::View;

/// Takes away all but the placement's share of the score of products met lately.
pub(super) struct Seen;

impl Scorer for Seen {
    fn name(&self) -> &'static str {
        "seen"
    }

    fn score(&self, view: &View<'_>, candidates: &mut [Candidate], _facts: &[Facts], kept: &[u32]) {
        let lost = 1.0 - view.placement.seen_factor;
        for &at in kept {
            let candidate = &mut candidates[at as usize];
            if candidate.marks.has(Marks::RECENT) {
                candidate.parts.seen = -lost * candidate.parts.total().max(0.0);
            }
        }
    }
}
