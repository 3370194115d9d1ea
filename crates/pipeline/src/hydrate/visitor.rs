//! What the visitor did: recent products, purchases, cart, exclusions.

use super::HydratedQuery;
use crate::candidate::Marks;
use crate::config::PipelineConfig;
use crate::items::ItemTable;
use crate::query::{Purpose, Query};
use vitrina_types::id::{ProductId, ProductIx};
use vitrina_types::state::UserState;

/// A product and how much it says of what the visitor wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Recent {
    pub(crate) product: ProductIx,
    /// Above 0; a view just now is 1.
    pub(crate) weight: f32,
}

/// Purchases that bought-together starts from.
const PURCHASES_MAX: usize = 10;
/// Meeting a product again adds this much of what the later meeting said.
const AGAIN: f32 = 0.5;

/// What a meeting says, a view being 1. Flatter than the interest it adds to the product: one
/// purchase must not drown the visit. 0 or less for the opposite.
fn said(strength: i8) -> f32 {
    (f32::from(strength.max(0)) / 4.0).sqrt()
}

impl HydratedQuery {
    /// Products of the visit, then of the history, newest first, weighted by recency and by what
    /// the meeting said.
    /// A product whose newest meeting said no (removed from the cart, returned) is left out.
    pub(super) fn fill_recent(
        &mut self,
        query: &Query,
        user: Option<&UserState>,
        items: &ItemTable,
        config: &PipelineConfig,
    ) {
        self.recent.clear();
        let step = (-1.0 / config.recent_half_rank).exp2();
        let mut by_rank = 1.0;
        for id in query.session.iter().rev() {
            self.meet(
                items.find(id.as_str()),
                by_rank,
                config.recent_max,
                &mut by_rank,
                step,
            );
        }
        let Some(user) = user else { return };
        let newest = user.history.last().map_or(query.now, |entry| entry.at);
        for entry in user
            .history
            .iter()
            .rev()
            .filter(|entry| entry.strength != 0)
        {
            let age_ms = newest.since_ms(entry.at).max(0) as f64;
            let by_time = (-age_ms / config.recent_half_life_ms).exp2() as f32;
            let weight = said(entry.strength) * by_rank * by_time;
            self.meet(
                items.find(entry.product.as_str()),
                weight,
                config.recent_max,
                &mut by_rank,
                step,
            );
        }
        self.recent.retain(|recent| recent.weight > 0.0);
    }

    fn meet(
        &mut self,
        product: Option<ProductIx>,
        weight: f32,
        max: usize,
        by_rank: &mut f32,
        step: f32,
    ) {
        let Some(product) = product else { return };
        // At most 100 entries: a walk is cheaper than a map.
        let room = self.recent.len() < max;
        match self
            .recent
            .iter_mut()
            .find(|recent| recent.product == product)
        {
            Some(met) if met.weight > 0.0 => met.weight += AGAIN * weight.max(0.0),
            Some(_) => {}
            None if room => {
                self.recent.push(Recent { product, weight });
                *by_rank *= step;
            }
            None => {}
        }
    }

    /// Marks what the visitor owns, what is not wanted and what was just met.
    pub(super) fn fill_marks(
        &mut self,
        query: &Query,
        user: Option<&UserState>,
        items: &ItemTable,
    ) {
        self.cart.clear();
        let known = |ids: &[ProductId]| -> Vec<ProductIx> {
            ids.iter()
                .filter_map(|id| items.find(id.as_str()))
                .collect()
        };
        self.cart.extend(known(&query.cart));
        for ix in known(&query.exclude).into_iter().chain(self.in_view) {
            self.marks.entry(ix.0).0.set(Marks::EXCLUDED);
        }
        for ix in &self.cart {
            self.marks.entry(ix.0).0.set(Marks::EXCLUDED);
        }
        for recent in &self.recent {
            self.marks.entry(recent.product.0).0.set(Marks::RECENT);
        }
        for owned in user.iter().flat_map(|user| &user.purchased) {
            if let Some(ix) = items.find(owned.product.as_str()) {
                self.marks.entry(ix.0).0.set(Marks::PURCHASED);
            }
        }
    }

    /// Cart and product in view first, then purchases, newest first.
    pub(super) fn fill_bought(
        &mut self,
        purpose: Purpose,
        user: Option<&UserState>,
        items: &ItemTable,
    ) {
        self.bought.clear();
        let context = self.in_view.iter().chain(&self.cart);
        let context = context.map(|&product| Recent {
            product,
            weight: 1.0,
        });
        self.bought.extend(context);
        if purpose != Purpose::Recommend {
            return;
        }
        let owned = user.iter().flat_map(|user| user.purchased.iter().rev());
        let mut weight = 0.7;
        for owned in owned.take(PURCHASES_MAX) {
            if let Some(product) = items.find(owned.product.as_str()) {
                self.bought.push(Recent { product, weight });
            }
            weight *= 0.8;
        }
    }
}
