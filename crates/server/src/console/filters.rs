//! [`format`](super::format) as template filters.

use super::format::{before, grouped, short};
use askama::{Result, Values, filter_fn};
use std::borrow::Borrow;
use vitrina_types::time::EventTime;

/// [`grouped`] as a filter.
#[filter_fn]
pub(super) fn count<T: Borrow<u64>>(value: T, _: &dyn Values) -> Result<String> {
    Ok(grouped(*value.borrow()))
}

/// [`grouped`] of a `usize` as a filter.
#[filter_fn]
pub(super) fn size<T: Borrow<usize>>(value: T, _: &dyn Values) -> Result<String> {
    Ok(grouped(*value.borrow() as u64))
}

/// [`short`] as a filter.
#[filter_fn]
pub(super) fn number<T: Borrow<f64>>(value: T, _: &dyn Values) -> Result<String> {
    Ok(short(*value.borrow()))
}

/// A score: always three decimals, so that columns line up.
#[filter_fn]
pub(super) fn score<T: Borrow<f64>>(value: T, _: &dyn Values) -> Result<String> {
    Ok(format!("{:.3}", value.borrow()))
}

/// [`before`] as a filter.
#[filter_fn]
pub(super) fn ago<T: Borrow<EventTime>>(at: T, _: &dyn Values, now: &EventTime) -> Result<String> {
    Ok(before(*at.borrow(), *now))
}

/// An event kind, filter or source as words: `add_to_cart` becomes `add to cart`.
#[filter_fn]
pub(super) fn words<T: AsRef<str>>(name: T, _: &dyn Values) -> Result<String> {
    Ok(name.as_ref().replace('_', " "))
}
