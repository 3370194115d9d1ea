//! Candidate sources: each proposes products for a query.

use crate::candidate::{CANDIDATES_MAX, Candidate, Proposal};
use crate::dense::DenseMap;
use crate::items::CategoryIx;
use crate::slate::Reason;
use crate::view::View;
use vitrina_types::id::ProductIx;

/// Proposes products for a query.
///
/// A source never fails and never waits: what it needs is in the [`View`]. With nothing to say
/// it says nothing. Contract, checked for every source by this crate's tests: at most `limit`
/// proposals, no product twice, best first, every recall above 0 and finite, the same answer for
/// the same arguments.
pub trait CandidateSource: Send + Sync {
    /// Stable name, used in metrics, traces and configuration. Never rename.
    fn name(&self) -> &'static str;

    /// Appends at most `limit` proposals to `out`, best first.
    fn propose(
        &self,
        view: &View<'_>,
        limit: usize,
        work: &mut SourceWork,
        out: &mut Vec<Proposal>,
    );
}

macro_rules! sources {
    ($($module:ident :: $Source:ident),+ $(,)?) => {
        $(mod $module;)+

        /// Every source the platform knows, in the order of this list.
        pub fn all() -> &'static [&'static dyn CandidateSource] {
            &[$(&$module::$Source),+]
        }
    };
}

sources! {
    covisit::Covisit,
    bought_together::BoughtTogether,
    category_popular::CategoryPopular,
    recently_viewed::RecentlyViewed,
    popular::Popular,
    new_arrivals::NewArrivals,
}

/// Buffers that sources share.
#[derive(Debug, Default)]
pub struct SourceWork {
    votes: DenseMap<Votes>,
    /// Of a shortlist: how many halvings below the most popular product.
    halvings: Vec<f32>,
}

/// What several products say for one other.
#[derive(Debug, Clone, Copy, Default)]
struct Votes {
    sum: f32,
    strongest: f32,
    by: u32,
}

/// The place of the source called `name` in [`all`].
pub(crate) fn place_of(name: &str) -> usize {
    all().iter().position(|s| s.name() == name).unwrap_or(0)
}

/// Asks every source that the placement enables and merges what they say: each product once,
/// with what every source said of it.
pub(crate) fn gather(view: &View<'_>, buffers: &mut Buffers, candidates: &mut Vec<Candidate>) {
    candidates.clear();
    buffers.places.clear();
    for (place, source) in all().iter().enumerate() {
        let share = view.shares[place];
        if share.weight <= 0.0 || share.limit == 0 {
            continue;
        }
        buffers.proposals.clear();
        source.propose(view, share.limit, &mut buffers.work, &mut buffers.proposals);
        let best = buffers.proposals.first().map_or(1.0, |first| first.recall);
        for proposal in &buffers.proposals {
            let (at, absent) = buffers.places.entry(proposal.product.0);
            if absent {
                if candidates.len() >= CANDIDATES_MAX {
                    break;
                }
                *at = candidates.len() as u32;
                candidates.push(Candidate::new(proposal.product));
            }
            let candidate = &mut candidates[*at as usize];
            let recall = proposal.recall / best;
            let said = view.shares[usize::from(candidate.source)].weight
                * candidate.recalls[usize::from(candidate.source)];
            if candidate.sources == 0 || recall * share.weight > said {
                candidate.source = place as u8;
                candidate.reason = proposal.reason;
            }
            candidate.recalls[place] = recall;
            candidate.sources |= 1 << place;
        }
    }
}

/// Buffers of [`gather`].
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) work: SourceWork,
    proposals: Vec<Proposal>,
    /// Where in the list of candidates a product is.
    pub(crate) places: DenseMap<u32>,
}

/// Ranks after which the recall of a ranked list has halved.
const HALF_RANK: f32 = 8.0;

/// Appends a ranked list: recall falls from `top`, fast at first, as attention does.
fn propose_ranked(
    ranked: impl Iterator<Item = ProductIx>,
    limit: usize,
    top: f32,
    reason: Reason,
    out: &mut Vec<Proposal>,
) {
    let ranked = ranked.take(limit).enumerate();
    out.extend(ranked.map(|(rank, product)| Proposal {
        product,
        recall: top / (1.0 + rank as f32 / HALF_RANK),
        reason,
    }));
}

/// The most popular products of a category, or of all, that anybody has shown interest in.
fn popular<'a>(
    view: &View<'a>,
    category: Option<CategoryIx>,
) -> impl Iterator<Item = ProductIx> + use<'a> {
    let items = view.items;
    let ranked = items.popular(category);
    ranked.take_while(|ix| items.facts(*ix).interest_key > f64::NEG_INFINITY)
}

/// Sorts best first, equals in the order of their numbers. Recalls are above 0, where the bits of
/// a float order like its value: one integer is compared instead of two fields.
fn best_first(proposal: &Proposal) -> u64 {
    u64::from(!proposal.recall.to_bits()) << 32 | u64::from(proposal.product.0)
}

/// Keeps the best `limit` of what was appended from `start` on, in no order.
fn shortlist(proposals: &mut Vec<Proposal>, start: usize, limit: usize) {
    let added = &mut proposals[start..];
    if added.len() > limit {
        if limit > 0 {
            added.select_nth_unstable_by_key(limit - 1, best_first);
        }
        proposals.truncate(start + limit);
    }
}

/// Keeps the best `limit` of what was appended from `start` on, best first.
fn keep_best(proposals: &mut Vec<Proposal>, start: usize, limit: usize) {
    shortlist(proposals, start, limit);
    proposals[start..].sort_unstable_by_key(best_first);
}
