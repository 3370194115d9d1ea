//! The sample that is shipped: three hours of a shop's visitors, and its products.
//!
//! Source: REES46 Marketing Platform, "eCommerce behavior data from multi category store"; see
//! `data/README.md`.

use super::DemoError;
use crate::import::{EventFormat, EventReader, Input, ProductFormat, ProductReader, RowOutcome};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use vitrina_engine::Visitor;
use vitrina_types::event::EventDraft;
use vitrina_types::id::{ProductId, UserId};
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

static EVENTS: &[u8] = include_bytes!("../../../../data/rees46/events.csv.gz");
/// The catalogue at large, then the products of the events: where both know one, the second wins.
static PRODUCTS: [&[u8]; 2] = [
    include_bytes!("../../../../data/rees46/products_16k.csv.gz"),
    include_bytes!("../../../../data/rees46/products.csv.gz"),
];

/// One event and the row it was read from.
#[derive(Debug, Clone)]
pub struct SampleEvent {
    /// The event, with an id made of its place in the file.
    pub draft: EventDraft,
    /// The row.
    pub row: Bytes,
}

/// Everything there is to replay.
pub struct Sample {
    /// In order of their times.
    pub events: Vec<SampleEvent>,
    /// Each id once, in order.
    pub products: Vec<Product>,
}

impl Sample {
    /// Reads it; products are made `now`.
    ///
    /// # Errors
    /// `Sample` when the binary was built from damaged files.
    pub fn read(now: EventTime) -> Result<Self, DemoError> {
        let mut products = BTreeMap::<ProductId, Product>::new();
        for file in PRODUCTS {
            let input = Input::embedded(file).map_err(broken)?;
            let rows = ProductReader::new(input.stream, ProductFormat::Rees46, now);
            for row in rows.map_err(broken)? {
                if let RowOutcome::Good(product) = row.map_err(broken)?.outcome {
                    products.insert(product.product_id.clone(), *product);
                }
            }
        }
        let input = Input::embedded(EVENTS).map_err(broken)?;
        let rows = EventReader::new(input.stream, EventFormat::Rees46, input.fingerprint, 0);
        let mut events = Vec::new();
        for row in rows.map_err(broken)? {
            let row = row.map_err(broken)?;
            match row.outcome {
                RowOutcome::Good(draft) => events.push(SampleEvent {
                    draft: *draft,
                    row: row.bytes,
                }),
                RowOutcome::Bad(why) => return Err(broken(why)),
                RowOutcome::Skipped(_) => {}
            }
        }
        Ok(Self {
            events,
            products: products.into_values().collect(),
        })
    }

    /// The event time of the last event.
    pub fn ends(&self) -> EventTime {
        let times = self
            .events
            .iter()
            .filter_map(|event| event.draft.event_time);
        times.max().unwrap_or_default()
    }

    /// Everybody in it, each once, in order.
    pub fn visitors(&self) -> Vec<Visitor> {
        let ids = self
            .events
            .iter()
            .filter_map(|event| event.draft.user_id.as_deref());
        let ids: BTreeSet<&str> = ids.collect();
        ids.into_iter()
            .filter_map(|id| UserId::new(id).ok())
            .map(Visitor::User)
            .collect()
    }
}

fn broken(error: impl std::fmt::Display) -> DemoError {
    DemoError::Sample(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_whole() {
        let sample = Sample::read(EventTime(0)).unwrap();
        assert_eq!(sample.events.len(), 17_434);
        assert_eq!(sample.visitors().len(), 4_504);
        assert_eq!(sample.products.len(), 16_390 + 6_493 - 3_344);
        assert_eq!(sample.ends().to_string(), "2019-10-01T02:50:00Z");
        let ids: BTreeSet<_> = sample.events.iter().map(|e| &e.draft.event_id).collect();
        assert_eq!(
            ids.len(),
            sample.events.len(),
            "identical rows have ids of their own"
        );
    }
}
