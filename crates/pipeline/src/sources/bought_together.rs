//! What is bought with the cart, with the product in view, and with what the visitor owns.

use super::{CandidateSource, SourceWork, keep_best};
use crate::candidate::Proposal;
use crate::slate::Reason;
use crate::view::View;
use vitrina_types::id::ProductIx;

/// Bought-together neighbours of the cart, the product in view and the newest purchases.
pub(super) struct BoughtTogether;

impl CandidateSource for BoughtTogether {
    fn name(&self) -> &'static str {
        "bought_together"
    }

    fn propose(&self, view: &View<'_>, limit: usize, work: &mut SourceWork, out: &mut Vec<Proposal>) {
        work.votes.clear();
        for seed in &view.hydrated.bought {
            for &(product, weight) in view.items.bought_together(seed.product) {
                let vote = weight * seed.weight;
                let votes = work.votes.entry(product.0).0;
                votes.sum += vote;
                if vote > votes.strongest {
                    votes.strongest = vote;
                    votes.by = seed.product.0;
                }
            }
        }
        let start = out.len();
        let positive = work.votes.entries().iter().filter(|(_, votes)| votes.sum > 0.0);
        out.extend(positive.map(|&(product, votes)| Proposal {
            product: ProductIx(product),
            recall: votes.sum,
            reason: Reason::BecauseBought {
                product: ProductIx(votes.by),
            },
        }));
        keep_best(out, start, limit);
    }
}
