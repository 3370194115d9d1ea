//! What visitors met in the same session as the products this visitor met lately.

use super::{CandidateSource, SourceWork, keep_best, shortlist};
use crate::candidate::Proposal;
use crate::slate::Reason;
use crate::view::View;
use vitrina_types::id::ProductIx;

/// Neighbours of the seeds, weighted by recency and kind of the meeting; a neighbour that is
/// popular with everybody counts less.
///
/// Source: item-to-item collaborative filtering, G. Linden, B. Smith and J. York, "Amazon.com
/// Recommendations", IEEE Internet Computing 7(1), 2003, over decayed session co-occurrence.
pub(super) struct Covisit;

/// A vote weaker than this share of the strongest one is not counted.
const FAINT: f32 = 0.03;
/// Proposals per place of the limit that are looked at again with their popularity.
const SHORTLIST: usize = 2;

impl CandidateSource for Covisit {
    fn name(&self) -> &'static str {
        "covisit"
    }

    fn propose(&self, view: &View<'_>, limit: usize, work: &mut SourceWork, out: &mut Vec<Proposal>) {
        work.votes.clear();
        let seeds = &view.hydrated.seeds;
        // Reading the head of every list first also lets their cache misses overlap.
        let strongest = seeds.iter().map(|seed| {
            let best = view.items.covisits(seed.product).first();
            seed.weight * best.map_or(0.0, |neighbour| neighbour.1)
        });
        let floor = FAINT * strongest.fold(0.0, f32::max);
        for seed in seeds {
            for &(product, weight) in view.items.covisits(seed.product) {
                let vote = weight * seed.weight;
                if vote <= floor {
                    break;
                }
                let votes = work.votes.entry(product.0).0;
                votes.sum += vote;
                if vote > votes.strongest {
                    votes.strongest = vote;
                    votes.by = seed.product.0;
                }
            }
        }
        let start = out.len();
        out.extend(work.votes.entries().iter().map(|&(product, votes)| Proposal {
            product: ProductIx(product),
            recall: votes.sum,
            reason: Reason::BecauseViewed {
                product: ProductIx(votes.by),
            },
        }));
        shortlist(out, start, limit * SHORTLIST);
        damp(view, &mut out[start..], &mut work.halvings);
        keep_best(out, start, limit);
    }
}

/// Divides by the neighbour's own popularity to the power of the damping. Popularity is taken
/// relative to the most popular product, within the range the configuration looks at.
fn damp(view: &View<'_>, proposals: &mut [Proposal], halvings: &mut Vec<f32>) {
    let top = view.items.interest_key_max();
    if top == f64::NEG_INFINITY || view.config.covisit_damping <= 0.0 {
        return;
    }
    let range = f64::from(view.config.popularity_range);
    // Two passes: nothing but loads in the first, so that their cache misses overlap.
    halvings.clear();
    halvings.extend(proposals.iter().map(|proposal| {
        let below = top - view.items.facts(proposal.product).interest_key;
        below.clamp(0.0, range) as f32
    }));
    for (proposal, below) in proposals.iter_mut().zip(halvings) {
        proposal.recall *= (*below * view.config.covisit_damping).exp2();
    }
}
