//! The visitor's leaning to categories and brands, from what they met lately.

use super::HydratedQuery;
use crate::items::{CategoryIx, ItemTable};

/// Categories that category popularity is asked for.
const NEAR_MAX: usize = 4;

impl HydratedQuery {
    /// Shares of interest by category (at every level) and brand; from the seeds and the cart.
    pub(super) fn fill_affinity(&mut self, items: &ItemTable) {
        self.categories.clear();
        self.brands.clear();
        self.near.clear();
        let total: f32 = self.seeds.iter().map(|seed| seed.weight).sum();
        if total <= 0.0 {
            return;
        }
        for seed in &self.seeds {
            let share = seed.weight / total;
            let facts = items.facts(seed.product);
            if facts.brand().is_some() {
                *self.brands.entry(facts.brand().0).0 += share;
            }
            if !facts.category().is_some() {
                continue;
            }
            for level in items.category_chain(facts.category()) {
                *self.categories.entry(level.0).0 += share;
            }
            let narrowest = facts.category();
            match self.near.iter_mut().find(|near| near.0 == narrowest) {
                Some(near) => near.1 += share,
                None => self.near.push((narrowest, share)),
            }
        }
    }

    /// Where category popularity looks: the categories of the filter, else those of the seeds,
    /// nearest first; a lone category that holds little is widened by one level.
    pub(super) fn fill_near(&mut self, items: &ItemTable) {
        if !self.filter.categories.is_empty() {
            self.near.clear();
            let share = 1.0 / self.filter.categories.len() as f32;
            self.near
                .extend(self.filter.categories.iter().map(|&c| (c, share)));
        }
        self.near
            .sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        self.near.truncate(NEAR_MAX);
        if let [(lone, share)] = self.near[..] {
            let row = items.category(lone);
            let wider = row.map_or(CategoryIx::NONE, |row| row.parent());
            let filtered = !self.filter.categories.is_empty();
            if wider.is_some() && !filtered && row.is_some_and(|row| row.products() < LITTLE) {
                self.near.push((wider, share * 0.5));
            }
        }
    }

    /// How much the visitor leans to a category and a brand, 0 to 1.
    pub(crate) fn affinity(&self, items: &ItemTable, facts: &crate::items::Facts) -> f32 {
        let (mut sum, mut levels) = (0.0, 0.0);
        if !self.categories.entries().is_empty() {
            for level in items.category_chain(facts.category()) {
                sum += self.categories.get(level.0).unwrap_or(0.0);
                levels += 1.0;
            }
        }
        let by_category = if levels > 0.0 { sum / levels } else { 0.0 };
        let by_brand = self.brands.get(facts.brand().0).unwrap_or(0.0);
        BY_CATEGORY * by_category + (1.0 - BY_CATEGORY) * by_brand
    }
}

/// A category with fewer products than this is widened.
const LITTLE: usize = 20;
/// Share of affinity that is the category's; the rest is the brand's.
const BY_CATEGORY: f32 = 0.7;
