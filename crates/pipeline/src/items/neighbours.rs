//! The neighbours of a product, as answers read them: numbers and relative weights, best first.

use rustc_hash::FxHasher;
use std::hash::Hasher;
use vitrina_types::id::{ProductId, ProductIx};
use vitrina_types::state::Neighbours;

/// A neighbour and how strong it is: above 0, at most 1.
pub type NeighbourWeight = (ProductIx, f32);

/// Strength at which the best neighbour counts half: one chance meeting is no evidence.
const SUPPORT: f64 = 1.0;

/// Sorted neighbours.
///
/// All counts of one list share a half-life, so the ratio between two of them never changes
/// with time: weights are computed when the state arrives, and an answer needs no exponential.
#[derive(Debug, Default)]
pub(crate) struct NeighbourList {
    /// Of the state it was made from: most changes of a product leave its neighbours alone.
    fingerprint: u64,
    best: Vec<NeighbourWeight>,
}

impl NeighbourList {
    /// Best first.
    pub(crate) fn best(&self) -> &[NeighbourWeight] {
        &self.best
    }

    /// Takes over the state. `number` gives the number of a product.
    pub(crate) fn set(
        &mut self,
        state: &Neighbours,
        half_life_ms: f64,
        mut number: impl FnMut(&ProductId) -> ProductIx,
    ) {
        let fingerprint = fingerprint(state, half_life_ms);
        if fingerprint == self.fingerprint {
            return;
        }
        self.fingerprint = fingerprint;
        self.best.clear();
        let key = |n: &vitrina_types::state::Neighbour| n.weight.rank_key(half_life_ms);
        let mut top = f64::NEG_INFINITY;
        let mut support = 0.0;
        for neighbour in &state.entries {
            let count = &neighbour.weight;
            if key(neighbour) > top {
                top = key(neighbour);
                support = count.value(half_life_ms, count.as_of());
            }
        }
        if top == f64::NEG_INFINITY {
            return;
        }
        let confidence = support / (support + SUPPORT);
        for neighbour in &state.entries {
            let weight = ((key(neighbour) - top).exp2() * confidence) as f32;
            if weight > 0.0 {
                self.best.push((number(&neighbour.product), weight));
            }
        }
        self.best
            .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.best.capacity() * size_of::<NeighbourWeight>()
    }
}

/// Never 0 for a list with entries.
fn fingerprint(state: &Neighbours, half_life_ms: f64) -> u64 {
    if state.entries.is_empty() {
        return 0;
    }
    let mut hasher = FxHasher::default();
    for neighbour in &state.entries {
        let count = &neighbour.weight;
        hasher.write(neighbour.product.as_str().as_bytes());
        hasher.write_i64(count.as_of().0);
        hasher.write_u64(count.value(half_life_ms, count.as_of()).to_bits());
    }
    hasher.finish() | 1
}
