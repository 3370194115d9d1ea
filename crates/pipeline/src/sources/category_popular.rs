//! What is popular in the categories near the visitor or the page.

use super::{CandidateSource, SourceWork, keep_best, popular, propose_ranked};
use crate::candidate::Proposal;
use crate::slate::Reason;
use crate::view::View;

/// The most popular products of the filter's categories, else of those of the product in view
/// and of the recent products; nearer categories propose more and more strongly.
pub(super) struct CategoryPopular;

impl CandidateSource for CategoryPopular {
    fn name(&self) -> &'static str {
        "category_popular"
    }

    fn propose(&self, view: &View<'_>, limit: usize, work: &mut SourceWork, out: &mut Vec<Proposal>) {
        let start = out.len();
        let near = &view.hydrated.near;
        let total: f32 = near.iter().map(|near| near.1).sum();
        for &(category, share) in near {
            let part = share / total.max(f32::MIN_POSITIVE);
            let places = (part * limit as f32).ceil() as usize;
            let reason = Reason::PopularInCategory { category };
            let ranked = popular(view, Some(category));
            propose_ranked(ranked, places.min(limit), share, reason, out);
        }
        // Categories may lie inside each other: the first, nearest word for a product stands.
        work.votes.clear();
        let mut kept = start;
        for at in start..out.len() {
            if work.votes.entry(out[at].product.0).1 {
                out[kept] = out[at];
                kept += 1;
            }
        }
        out.truncate(kept);
        keep_best(out, start, limit);
    }
}
