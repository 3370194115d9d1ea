//! The blend: what the sources said, the visitor's leaning, popularity and being new.

use super::Scorer;
use crate::candidate::{Candidate, SOURCES_MAX};
use crate::items::Facts;
use crate::view::{View, mix};

/// A weighted sum, divided by what the strongest source and all priors could add up to:
///
/// `score = (Σ wₛ·recallₛ + wₐ·affinity + wₚ·popularity + wₙ·newness + wₑ·draw) / (max wₛ + wₐ + wₚ + wₙ + wₑ)`
///
/// with every factor in 0..=1: recall relative to the source's best proposal; affinity as the
/// share of recent interest in the product's categories and brand; popularity falling linearly
/// in halvings below the most popular product; newness falling linearly with age.
pub(super) struct Blend;

impl Scorer for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn score(&self, view: &View<'_>, candidates: &mut [Candidate], facts: &[Facts], kept: &[u32]) {
        let placement = view.placement;
        let mut weights = [0.0f32; SOURCES_MAX];
        for (weight, share) in weights.iter_mut().zip(view.shares) {
            *weight = share.weight;
        }
        let strongest = weights.iter().copied().fold(0.0, f32::max);
        let priors = placement.affinity + placement.popularity + placement.freshness;
        let scale = 1.0 / (strongest + priors + placement.exploration).max(f32::MIN_POSITIVE);
        let top = view.items.interest_key_max();
        let range = view.config.popularity_range;
        let new_for_ms = view.config.new_for_ms as f32;
        for &at in kept {
            let (candidate, facts) = (&mut candidates[at as usize], &facts[at as usize]);
            let recall: f32 = weights.iter().zip(&candidate.recalls).map(|(w, r)| w * r).sum();
            let parts = &mut candidate.parts;
            parts.recall = scale * recall;
            if placement.affinity > 0.0 {
                let affinity = view.hydrated.affinity(view.items, facts);
                parts.affinity = scale * placement.affinity * affinity;
            }
            // Negative infinity on both sides would make a NaN; it fails the comparison.
            let below = if top > f64::NEG_INFINITY { top - facts.interest_key } else { f64::INFINITY };
            let popularity = (1.0 - below as f32 / range).max(0.0);
            parts.popularity = scale * placement.popularity * popularity;
            if let Some(created) = facts.created_at() {
                let age_ms = view.query.now.since_ms(created).max(0) as f32;
                parts.freshness = scale * placement.freshness * (1.0 - age_ms / new_for_ms).max(0.0);
            }
            if placement.exploration > 0.0 {
                let draw = (mix(view.query.seed, candidate.product.0) >> 40) as f32 / (1u32 << 24) as f32;
                parts.exploration = scale * placement.exploration * draw;
            }
        }
    }
}
