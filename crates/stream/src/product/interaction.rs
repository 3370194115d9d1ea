//! Somebody did something with a product.

use super::bounds::{CATEGORY_BYTES_MAX, REVENUE_CURRENCIES_MAX};
use crate::options::ProductOptions;
use crate::outbox::Outbox;
use crate::user::add_money;
use vitrina_types::decayed::DecayedCount;
use vitrina_types::event::KindTag;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, ProductRecord};
use vitrina_types::state::ProductState;
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

/// One interaction, without its product.
pub(super) struct Interaction {
    pub(super) kind: KindTag,
    /// Unitless, at least 0.
    pub(super) interest: f32,
    pub(super) at: EventTime,
    pub(super) revenue: Option<(Currency, Amount)>,
}

/// Adds interest; none, and what is no number, changes nothing.
pub(super) fn add_interest(
    count: &mut DecayedCount,
    half_life_ms: f64,
    at: EventTime,
    interest: f32,
) {
    if interest > 0.0 && interest.is_finite() {
        count.add(half_life_ms, at, f64::from(interest));
    }
}

impl Interaction {
    /// Counts it for the product.
    pub(super) fn apply(&self, product: &mut ProductState, options: &ProductOptions) {
        let first = product.counters.total() == 0;
        product.counters.add(self.kind, 1);
        if first || self.at < product.first_seen {
            product.first_seen = self.at;
        }
        if first || self.at > product.last_seen {
            product.last_seen = self.at;
        }
        let half_life_ms = options.interest_half_life_ms;
        add_interest(&mut product.interest, half_life_ms, self.at, self.interest);
        if self.interest > 0.0 && self.interest.is_finite() {
            product.windows.add(self.at, self.interest);
        }
        if let Some((currency, amount)) = self.revenue {
            add_money(
                &mut product.revenue,
                currency,
                amount,
                REVENUE_CURRENCIES_MAX,
            );
        }
    }

    /// Tells each level of the product's category, from the widest to the narrowest.
    pub(super) fn tell_categories(
        &self,
        product: &ProductState,
        cause: &ProductEnvelope,
        out: &mut Outbox,
    ) {
        let Some(card) = &product.card else {
            return;
        };
        let mut path = String::new();
        for level in &card.category_path {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(level);
            if path.len() > CATEGORY_BYTES_MAX {
                return;
            }
            let envelope = ProductEnvelope {
                ingest_time: cause.ingest_time,
                backfill: cause.backfill,
                record: ProductRecord::CategoryInteraction {
                    category: path.as_str().into(),
                    kind: self.kind,
                    interest: self.interest,
                    at: self.at,
                },
            };
            out.send(Topic::ProductSignals, Partition::of(&path), &envelope);
        }
    }
}
