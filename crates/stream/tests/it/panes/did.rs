//! Interactions, how they are fed, and their rows, counted without a watermark.

use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::driver::Driver;
use vitrina_types::event::{Kind, KindTag};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord, Upstream};
use vitrina_types::row::{Dimension, LateEvent, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::time::{EventTime, Progress, Watermark};
use vitrina_types::topic::Topic;

pub(super) const WINDOW: i64 = 10 * MINUTE;
pub(super) const GRACE: i64 = 5 * MINUTE;
pub(super) const SLACK: i64 = 5 * SECOND;
/// Later than everything.
pub(super) const END: i64 = 1_000 * DAY;

pub(super) type Rows = BTreeMap<(RowKey, TimeWindow), Measures>;

/// One interaction: product, kind, ms after the start, visitor.
#[derive(Debug, Clone)]
pub(super) struct Did {
    pub(super) of: u8,
    pub(super) kind: u8,
    pub(super) at: i64,
    pub(super) who: u8,
}

pub(super) fn did() -> impl Strategy<Value = Did> {
    let parts = (0u8..6, 0..Kind::COUNT as u8, 0..HOUR, 0u8..5);
    parts.prop_map(|(of, kind, at, who)| Did { of, kind, at, who })
}

impl Did {
    pub(super) fn value(&self) -> Option<(Currency, Amount)> {
        let cents = i64::from(self.of) * 1_999 + 1;
        let amount = Amount::from_units(cents as f64 / 100.0).unwrap();
        let sign = |amount: Amount| {
            if self.kind == 6 {
                amount.negated()
            } else {
                amount
            }
        };
        let currency = if self.who == 0 {
            Currency::GBP
        } else {
            Currency::USD
        };
        (self.kind != 0).then(|| (currency, sign(amount)))
    }

    pub(super) fn visitor(&self) -> u64 {
        u64::from(self.who) << 50
    }

    pub(super) fn envelope(&self, backfill: bool) -> ProductEnvelope {
        let record = ProductRecord::Interaction {
            product: product(&format!("p{}", self.of)),
            kind: KindTag(self.kind),
            interest: 1.0,
            at: EventTime(START + self.at),
            value: self.value(),
            pieces: 3,
            visitor: Some(self.visitor()),
        };
        ProductEnvelope {
            backfill,
            ..signal(record)
        }
    }

    /// The rows it belongs in.
    pub(super) fn keys(&self) -> Vec<RowKey> {
        let mut keys = vec![RowKey::new(Dimension::Product, format!("p{}", self.of))];
        if self.of > 0 {
            keys.push(RowKey::new(Dimension::Category, "home"));
            keys.push(RowKey::new(
                Dimension::Category,
                format!("home.k{}", self.of % 2),
            ));
            keys.push(RowKey::new(Dimension::Brand, format!("b{}", self.of / 2)));
        }
        keys
    }

    /// Counts it where it belongs.
    pub(super) fn count(&self, rows: &mut Rows) {
        let start = (START + self.at) / WINDOW * WINDOW;
        let window = TimeWindow {
            start: EventTime(start),
            end: EventTime(start + WINDOW),
        };
        for key in self.keys() {
            let row = rows.entry((key, window)).or_default();
            row.add(KindTag(self.kind), self.value(), Some(self.visitor()));
            row.pieces += match KindTag(self.kind).name() {
                "purchase" => 3,
                "return" => -3,
                _ => 0,
            };
        }
    }
}

/// All products but `p0` have a card.
pub(super) fn with_cards(mut driver: Driver) -> Driver {
    for of in 1..6 {
        let mut card = Product::bare(product(&format!("p{of}")), EventTime(START));
        card.category_path = vec!["home".into(), format!("k{}", of % 2).into()];
        card.brand = Some(format!("b{}", of / 2).into());
        let product = Box::new(card);
        driver.pipe_in_product(&signal(ProductRecord::Upsert {
            version: 1,
            product,
        }));
    }
    driver
}

pub(super) fn upstream(from: u16, live: i64, backfill: Option<i64>) -> ProductEnvelope {
    let progress = Progress {
        live: Watermark(START + live),
        backfill: backfill.map(|ms| Watermark(START + ms)),
    };
    signal(ProductRecord::Upstream(Upstream {
        from,
        of: 0,
        progress,
    }))
}

/// User tasks from `from` on say that nothing comes from them.
pub(super) fn silence(driver: &mut Driver, from: u16) {
    (from..32).for_each(|from| driver.pipe_in_product(&upstream(from, END, None)));
}

/// What is told in the end: the newest panes, the parts added up. Panes count from 0, each part is
/// told in one run of them.
pub(super) fn rows(driver: &Driver) -> Rows {
    let mut newest = BTreeMap::<(RowKey, TimeWindow, u64), WindowRow>::new();
    for row in driver.decoded::<WindowRow>(Topic::WindowRows) {
        let key = (row.key.clone(), row.window, row.part);
        let before = newest.get(&key).map(|row| row.pane + 1);
        assert_eq!(row.pane, before.unwrap_or(0), "{key:?}");
        newest.insert(key, row);
    }
    let mut rows = Rows::new();
    for ((key, window, _), row) in newest {
        rows.entry((key, window)).or_default().merge(&row.measures);
    }
    rows
}

pub(super) fn counted<'a>(events: impl IntoIterator<Item = &'a Did>) -> Rows {
    let mut rows = Rows::new();
    events.into_iter().for_each(|did| did.count(&mut rows));
    rows
}

pub(super) fn late(driver: &Driver) -> Vec<LateEvent> {
    driver.decoded(Topic::LateEvents)
}

/// Feeds events as they arrive, the watermark [`SLACK`] behind the newest, and lets time end.
pub(super) fn fed(driver: &mut Driver, arrivals: &[Did], every: usize) {
    silence(driver, 1);
    let mut newest = 0;
    for (place, did) in arrivals.iter().enumerate() {
        driver.pipe_in_product(&did.envelope(false));
        newest = newest.max(did.at);
        if place % every == 0 {
            driver.pipe_in_product(&upstream(0, newest - SLACK, None));
            driver.step();
        }
    }
}

pub(super) fn end(driver: &mut Driver) {
    driver.pipe_in_product(&upstream(0, END, None));
    driver.run();
    // Nothing is kept of what is told.
    assert_eq!(driver.open()[1..], [0, 0]);
    let snapshot = driver.snapshot();
    let mut keys = snapshot.values().flat_map(|values| values.keys());
    assert!(keys.all(|key| !key.starts_with("~r/p/") && !key.starts_with("~r/w/")));
}

pub(super) fn arrivals(jitter: i64) -> impl Strategy<Value = Vec<Did>> {
    prop::collection::vec((did(), 0..jitter), 1..80).prop_map(|mut drawn| {
        drawn.sort_by_key(|(did, jitter)| did.at + jitter);
        drawn.into_iter().map(|(did, _)| did).collect()
    })
}
