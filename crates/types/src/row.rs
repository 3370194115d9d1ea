//! Window rows: what happened to a product, category, brand, placement or session in a window of
//! event time.

use crate::event::{Counters, KindTag};
use crate::money::{Amount, Currency};
use crate::partition::Partition;
use crate::sketch::Distinct;
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime, Watermark};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A stretch of event time, half-open: `start <= at < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeWindow {
    /// First moment in it.
    pub start: EventTime,
    /// First moment after it.
    pub end: EventTime,
}

impl TimeWindow {
    /// Whether `at` lies in it.
    pub fn contains(self, at: EventTime) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length, in ms.
    pub fn length_ms(self) -> i64 {
        self.end.since_ms(self.start)
    }
}

/// What a row is about. The order of variants is part of the stored form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dimension {
    /// One product.
    Product,
    /// One level of the category tree: levels joined by dots.
    Category,
    /// One brand.
    Brand,
    /// One placement, or a source within one: `home`, `home/popular`.
    Placement,
    /// One session of one visitor: the key of the visitor's state.
    Session,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 5] = [
        Self::Product,
        Self::Category,
        Self::Brand,
        Self::Placement,
        Self::Session,
    ];

    /// The name in the API and in keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Category => "category",
            Self::Brand => "brand",
            Self::Placement => "placement",
            Self::Session => "session",
        }
    }

    /// The dimension with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Longest id of a row, in bytes; longer ones have no row.
pub const ROW_ID_BYTES_MAX: usize = 280;

/// What a row is about, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowKey {
    /// What it is about.
    pub dimension: Dimension,
    /// Which one, at most [`ROW_ID_BYTES_MAX`] bytes.
    pub id: Box<str>,
}

impl RowKey {
    /// A key.
    pub fn new(dimension: Dimension, id: impl Into<Box<str>>) -> Self {
        Self {
            dimension,
            id: id.into(),
        }
    }

    /// The key as stored: `product/1004856`.
    pub fn stored(&self) -> String {
        [self.dimension.name(), "/", &self.id].concat()
    }

    /// The key stored so; `None` when it is none of ours.
    pub fn from_stored(key: &str) -> Option<Self> {
        let (dimension, id) = key.split_once('/')?;
        Some(Self::new(Dimension::from_name(dimension)?, id))
    }

    /// The partition its row lives in.
    pub fn partition(&self) -> Partition {
        Partition::of(&self.id)
    }
}

/// What is measured. Sums of measures are measures: adding is exact, commutative and associative.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Measures {
    /// Events by kind. In rows of placements an impression counts each product shown.
    pub events: Counters,
    /// Pieces sold less pieces returned.
    pub pieces: i64,
    /// Money by kind of event and currency, in that order: price times quantity, negative for
    /// returns. Revenue is that of purchases and returns.
    pub values: SmallVec<[(KindTag, Currency, Amount); 1]>,
    /// Visitors who took part.
    pub visitors: Distinct,
}

/// Currencies of one kind of event a row keeps apart: those whose codes sort first, so that which
/// they are does not depend on what was counted first. Others are not counted.
pub const ROW_CURRENCIES_MAX: usize = 8;

impl Measures {
    /// Counts one event.
    pub fn add(&mut self, kind: KindTag, value: Option<(Currency, Amount)>, visitor: Option<u64>) {
        self.events.add(kind, 1);
        if let Some((currency, amount)) = value {
            self.add_value(kind, currency, amount);
        }
        if let Some(visitor) = visitor {
            self.visitors.add(visitor);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.events.merge(&other.events);
        self.pieces = self.pieces.saturating_add(other.pieces);
        for &(kind, currency, amount) in &other.values {
            self.add_value(kind, currency, amount);
        }
        self.visitors.merge(&other.visitors);
    }

    fn add_value(&mut self, kind: KindTag, currency: Currency, amount: Amount) {
        let found = self
            .values
            .binary_search_by_key(&(kind, currency), |value| (value.0, value.1));
        match found {
            Ok(place) => self.values[place].2 = self.values[place].2.plus(amount),
            Err(place) => self.insert_value(place, (kind, currency, amount)),
        }
    }

    fn insert_value(&mut self, place: usize, value: (KindTag, Currency, Amount)) {
        self.values.insert(place, value);
        let start = self.values.partition_point(|one| one.0 < value.0);
        let end = self.values.partition_point(|one| one.0 <= value.0);
        if end - start > ROW_CURRENCIES_MAX {
            // One that goes never comes back: those before it only become more.
            self.values.remove(end - 1);
        }
    }

    /// Money of one kind of event, by currency.
    pub fn values_of(&self, kind: &str) -> impl Iterator<Item = (Currency, Amount)> {
        let tag = KindTag::of(kind);
        let of_kind = self.values.iter().filter(move |one| Some(one.0) == tag);
        of_kind.map(|one| (one.1, one.2))
    }

    /// Money earned net of returns, by currency.
    pub fn revenue(&self) -> Vec<(Currency, Amount)> {
        let mut sums: Vec<(Currency, Amount)> = Vec::new();
        for (currency, amount) in self.values_of("purchase").chain(self.values_of("return")) {
            match sums.iter_mut().find(|sum| sum.0 == currency) {
                Some(sum) => sum.1 = sum.1.plus(amount),
                None => sums.push((currency, amount)),
            }
        }
        sums
    }

    /// Purchases per view; `None` without a view.
    pub fn conversion(&self) -> Option<f64> {
        let views = self.events.of("view");
        (views > 0).then(|| self.events.of("purchase") as f64 / views as f64)
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.events.total() == 0
    }
}

/// A row of `window-rows`.
///
/// The newest pane of a part replaces the older ones; the parts of one (key, window) add up. Live
/// data makes one part, number 0. Old data that comes after its window was told makes another
/// one, numbered by where it began, so that nothing has to be remembered for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// What it is about.
    pub key: RowKey,
    /// When.
    pub window: TimeWindow,
    /// Which contribution to the (key, window).
    pub part: u64,
    /// How often the part was told before, from 0.
    pub pane: u32,
    /// Everything measured in this part so far; empty for a session that became part of another.
    pub measures: Measures,
}

impl Stored for WindowRow {
    const NAME: &'static str = "window row";
    const VERSION: u8 = 1;
}

/// A record of `late-events`: it came after its window was closed and was not counted in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateEvent {
    /// When it, or its cause, was taken in.
    pub ingest_time: IngestTime,
    /// The operator that found it late: `product-stage`, `user-stage`.
    pub operator: Box<str>,
    /// The row it would have been counted in.
    pub key: RowKey,
    /// The window it belongs to.
    pub window: TimeWindow,
    /// When it happened.
    pub at: EventTime,
    /// How far event time had come.
    pub watermark: Watermark,
    /// What would have been counted.
    pub measures: Measures,
}

impl LateEvent {
    /// How long after its window was closed it came, in ms of event time; above 0.
    pub fn late_ms(&self, grace_ms: i64) -> i64 {
        let closed = self.window.end.plus_ms(grace_ms);
        self.watermark.0.saturating_sub(closed.0)
    }
}

impl Stored for LateEvent {
    const NAME: &'static str = "late event";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(kind: &str) -> KindTag {
        KindTag::of(kind).unwrap()
    }

    fn money(units: f64) -> Option<(Currency, Amount)> {
        Some((Currency::USD, Amount::from_units(units).unwrap()))
    }

    #[test]
    fn keys_read_back() {
        for dimension in Dimension::ALL {
            let key = RowKey::new(dimension, "a/b.c");
            assert_eq!(RowKey::from_stored(&key.stored()), Some(key));
        }
        assert_eq!(RowKey::from_stored("shop/1"), None);
    }

    #[test]
    fn returns_are_netted() {
        let mut row = Measures::default();
        let (one, other) = (Some(0x5eed << 40), Some(0xbeef << 40));
        row.add(tag("view"), None, one);
        row.add(tag("view"), None, one);
        row.add(tag("purchase"), money(10.5), other);
        row.add(tag("return"), money(-10.5), other);
        assert_eq!(row.revenue(), [(Currency::USD, Amount::ZERO)]);
        assert_eq!(row.conversion(), Some(0.5));
        assert_eq!(row.visitors.estimate(), 2);
    }

    /// Beyond the bound too, a sum depends on what was counted and not on its order.
    #[test]
    fn currencies_beyond_the_bound_do_not_depend_on_the_order() {
        let codes = [
            "AED", "BRL", "CHF", "DKK", "EUR", "GBP", "HUF", "INR", "JPY", "USD",
        ];
        let counted = |codes: &mut dyn Iterator<Item = &&str>| {
            let mut row = Measures::default();
            for code in codes {
                let currency = Currency::new(code).unwrap();
                let one = Amount::from_units(1.0).ok();
                row.add(tag("view"), one.map(|one| (currency, one)), None);
                row.add(tag("click"), money(2.0), None);
            }
            row
        };
        let all = counted(&mut codes.iter());
        assert_eq!(all.values_of("view").count(), ROW_CURRENCIES_MAX);
        assert_eq!(all.values_of("click").count(), 1);
        assert_eq!(counted(&mut codes.iter().rev()), all);
        for cut in 0..codes.len() {
            let mut sum = counted(&mut codes[cut..].iter());
            sum.merge(&counted(&mut codes[..cut].iter()));
            assert_eq!(sum, all, "cut at {cut}");
        }
    }

    #[test]
    fn a_window_is_half_open() {
        let window = TimeWindow {
            start: EventTime(0),
            end: EventTime(600_000),
        };
        assert!(window.contains(EventTime(0)) && window.contains(EventTime(599_999)));
        assert!(!window.contains(EventTime(600_000)));
    }
}
