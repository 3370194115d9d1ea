//! What is new in the catalogue.

use super::{CandidateSource, SourceWork, propose_ranked};
use crate::candidate::Proposal;
use crate::items::CategoryIx;
use crate::slate::Reason;
use crate::view::View;

/// The newest products, half of them from the top-level category nearest to the visitor or the
/// page when there is one; only those that count as new.
pub(super) struct NewArrivals;

impl CandidateSource for NewArrivals {
    fn name(&self) -> &'static str {
        "new_arrivals"
    }

    fn propose(&self, view: &View<'_>, limit: usize, work: &mut SourceWork, out: &mut Vec<Proposal>) {
        let since = view.query.now.plus_ms(-view.config.new_for_ms);
        let is_new = |ix: &_| view.items.facts(*ix).created_at > since;
        let start = out.len();
        let nearest = view.hydrated.near.first().map(|near| near.0);
        let top = nearest.and_then(|near| view.items.category_chain(near).last());
        let near = |category: CategoryIx| view.items.new_arrivals(Some(category));
        let near = top.into_iter().flat_map(near).take_while(is_new);
        propose_ranked(near, limit / 2, 1.0, Reason::New, out);
        work.votes.clear();
        for proposal in &out[start..] {
            work.votes.entry(proposal.product.0);
        }
        // Whatever is left goes to the newest of all, all behind the near ones.
        let floor = out[start..].last().map_or(1.0, |last| last.recall).min(1.0) * 0.9;
        let left = limit - (out.len() - start);
        let votes = &work.votes;
        let anywhere = view.items.new_arrivals(None).take_while(is_new);
        let others = anywhere.filter(|ix| votes.get(ix.0).is_none());
        propose_ranked(others, left, floor, Reason::New, out);
    }
}
