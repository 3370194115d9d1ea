//! Exact popularity over a window: a walk over all products, for whoever caches the result.

use super::{CategoryIx, Facts, ItemTable};
use rustc_hash::FxHashSet;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use vitrina_types::decayed::Window;
use vitrina_types::id::ProductIx;
use vitrina_types::score::Score;
use vitrina_types::time::EventTime;

impl ItemTable {
    /// The products offered `now` with the most interest over `window`, best first, those with
    /// none left out; of one category at any depth, or of all. O(products).
    ///
    /// The windows are only read where they can matter. An event inside the window has decayed by
    /// at most `window / half-life` halvings, so a product's sum is at most its decayed interest
    /// with those undone: this takes windows and interest to have counted the same weights.
    pub fn top_in_window(
        &self,
        window: Window,
        now: EventTime,
        category: Option<CategoryIx>,
        limit: usize,
    ) -> Vec<(ProductIx, f32)> {
        let since = now.plus_ms(-window.pane_ms() * window.panes());
        let undone = since.0 as f64 / self.config.interest_half_life_ms;
        // On top of the heap is the worst of the best: what the next one has to beat.
        let mut best: BinaryHeap<(Reverse<Score>, ProductIx)> = BinaryHeap::new();
        let mut floor = f64::NEG_INFINITY;
        let mut look = |ix: ProductIx, facts: &Facts, seen: &FxHashSet<ProductIx>| {
            let hopeless = facts.interest_key < floor || facts.last_seen <= since;
            if hopeless || !facts.is_rankable() || !facts.is_offered(now) || seen.contains(&ix) {
                return;
            }
            if category.is_some_and(|wider| !self.is_within(facts.category, wider)) {
                return;
            }
            let sum = Score::saturating(self.rows[ix.at()].windows.sum(window, now));
            if sum <= Score::ZERO {
                return;
            }
            best.push((Reverse(sum), ix));
            if best.len() > limit {
                best.pop();
                let worst = best.peek().map_or(0.0, |(sum, _)| sum.0.get());
                // A little lower than exact: sums are rounded, and equals must be looked at.
                floor = f64::from(worst * 0.999).log2() + undone;
            }
        };
        // The popular first: they raise the floor for all others.
        let first: Vec<ProductIx> = self.popular(category).collect();
        for &ix in &first {
            look(ix, &self.facts[ix.at()], &FxHashSet::default());
        }
        let first = first.into_iter().collect();
        for (facts, ix) in self.facts.iter().zip((0..).map(ProductIx)) {
            look(ix, facts, &first);
        }
        let best = best.into_sorted_vec();
        best.into_iter()
            .map(|(sum, ix)| (ix, sum.0.get()))
            .collect()
    }
}
