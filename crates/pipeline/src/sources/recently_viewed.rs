//! What the visitor met before.

use super::{CandidateSource, SourceWork, keep_best};
use crate::candidate::Proposal;
use crate::slate::Reason;
use crate::view::View;

/// The visitor's recent products, by recency and kind of the meeting.
pub(super) struct RecentlyViewed;

impl CandidateSource for RecentlyViewed {
    fn name(&self) -> &'static str {
        "recently_viewed"
    }

    fn propose(&self, view: &View<'_>, limit: usize, _work: &mut SourceWork, out: &mut Vec<Proposal>) {
        let start = out.len();
        out.extend(view.hydrated.recent.iter().map(|recent| Proposal {
            product: recent.product,
            recall: recent.weight,
            reason: Reason::ViewedBefore,
        }));
        keep_best(out, start, limit);
    }
}
