//! Sums of window rows: longer windows, and the funnel of sessions.
//!
//! Pure arithmetic on rows that were read. The law of both: the order of the rows does not matter,
//! and neither does into how many parts a (key, window) came.

use crate::event::Counters;
use crate::row::{Dimension, Measures, RowKey, TimeWindow, WindowRow};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// Sums rows by key and step of event time. A step begins where event time plus `offset_ms` is a
/// multiple of `step_ms` since the epoch: with the offset of a time zone, steps of a day are its
/// local days.
///
/// `rows` are the newest pane of each (key, window, part), as an analytics store answers them. A
/// row counts whole in the step its window begins in. So the sum is that of the events of the
/// step where windows lie side by side and each in one step: a step of any number of windows, an
/// offset likewise. Overlapping windows count an event once each, so rows of one length are to be
/// chosen before. Rows without measures leave nothing. A `step_ms` below 1 is taken for 1.
///
/// O(n log k) for n rows and k sums.
pub fn roll_up(
    rows: impl IntoIterator<Item = WindowRow>,
    step_ms: i64,
    offset_ms: i64,
) -> BTreeMap<(RowKey, TimeWindow), Measures> {
    let mut sums = BTreeMap::new();
    for row in rows {
        if row.measures.is_empty() {
            continue;
        }
        let step = step_of(row.window.start, step_ms, offset_ms);
        match sums.entry((row.key, step)) {
            Entry::Vacant(free) => {
                free.insert(row.measures);
            }
            Entry::Occupied(mut sum) => {
                let sum: &mut Measures = sum.get_mut();
                sum.merge(&row.measures);
            }
        }
    }
    sums
}

/// The step that `at` lies in, see [`roll_up`]; at the ends of what an [`EventTime`] can say it
/// is cut.
pub fn step_of(at: EventTime, step_ms: i64, offset_ms: i64) -> TimeWindow {
    let step_ms = step_ms.max(1);
    let local = i128::from(at.0) + i128::from(offset_ms);
    // Smaller than the step, so it fits.
    let into_ms = local.rem_euclid(i128::from(step_ms)) as i64;
    TimeWindow {
        start: at.plus_ms(-into_ms),
        end: at.plus_ms(step_ms - into_ms),
    }
}

/// How many sessions came how far. Each step counts the sessions that reached it or a later one,
/// so the numbers never rise from one step to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Funnel {
    /// Sessions in which anything was counted.
    pub sessions: u64,
    /// With a view or a click.
    pub viewed: u64,
    /// With a product put into the cart.
    pub carted: u64,
    /// With a purchase.
    pub purchased: u64,
}

/// How far a session came. The order of variants is that of the funnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reached {
    Anything,
    View,
    Cart,
    Purchase,
}

impl Reached {
    fn by(events: &Counters) -> Self {
        let steps: [(Self, &[&str]); 3] = [
            (Self::Purchase, &["purchase"]),
            (Self::Cart, &["add_to_cart"]),
            (Self::View, &["view", "click"]),
        ];
        let is_reached = |kinds: &[&str]| kinds.iter().any(|kind| events.of(kind) > 0);
        let reached = steps.into_iter().find(|(_, kinds)| is_reached(kinds));
        reached.map_or(Self::Anything, |(step, _)| step)
    }
}

/// The funnel of the sessions among `rows`. A session is a (key, window), whatever parts it came
/// in; rows of other dimensions and rows without measures do not count.
///
/// O(n log n).
pub fn funnel<'a>(rows: impl IntoIterator<Item = &'a WindowRow>) -> Funnel {
    let mut sessions: BTreeMap<(&RowKey, TimeWindow), Reached> = BTreeMap::new();
    for row in rows {
        if row.key.dimension != Dimension::Session || row.measures.is_empty() {
            continue;
        }
        let reached = Reached::by(&row.measures.events);
        let session = sessions.entry((&row.key, row.window)).or_insert(reached);
        *session = reached.max(*session);
    }
    let mut funnel = Funnel::default();
    for reached in sessions.into_values() {
        funnel.sessions += 1;
        funnel.viewed += u64::from(reached >= Reached::View);
        funnel.carted += u64::from(reached >= Reached::Cart);
        funnel.purchased += u64::from(reached >= Reached::Purchase);
    }
    funnel
}

#[cfg(test)]
mod tests;
