//! Products a visitor met, in order of (event time, event id), the newest that fit.
//!
//! The law: what is kept depends on the entries, not on the order they arrived in. It is the
//! longest run of newest entries within both bounds; the floor remembers where it was cut.

use super::bounds::{HISTORY_BYTES_MAX, HISTORY_MAX};
use vitrina_types::event::{Event, KindTag, Line, Signal};
use vitrina_types::id::ProductId;
use vitrina_types::state::{HistoryEntry, UserState};
use vitrina_types::time::EventTime;

/// An event on its way into the history.
pub(super) struct Arrival<'a> {
    pub(super) lines: &'a [Line],
    pub(super) kind: KindTag,
    pub(super) is_purchase: bool,
    /// In quarters of a view's interest; `None` when the event says nothing of its products.
    pub(super) strength: Option<i8>,
    pub(super) at: EventTime,
    pub(super) order: u64,
}

impl<'a> Arrival<'a> {
    pub(super) fn new(event: &'a Event, order: u64) -> Self {
        let strength = match event.kind.signal() {
            Signal::None => None,
            Signal::Positive(strength) => Some(quarters(strength)),
            Signal::Negative(strength) => Some(-quarters(strength)),
        };
        Self {
            lines: event.kind.lines(),
            kind: event.kind.tag(),
            is_purchase: event.kind.is_purchase(),
            strength,
            at: event.event_time,
            order,
        }
    }

    /// The entry of one of its lines.
    pub(super) fn entry(&self, product: &ProductId) -> HistoryEntry {
        HistoryEntry {
            product: product.clone(),
            kind: self.kind,
            strength: self.strength.unwrap_or(0),
            at: self.at,
            order: self.order,
        }
    }
}

fn quarters(strength: f32) -> i8 {
    (strength * 4.0).round().clamp(0.0, 127.0) as i8
}

/// Adds the lines of an event that says something of its products: what was merely shown to the
/// visitor is not met.
pub(super) fn add(state: &mut UserState, arrival: &Arrival<'_>) {
    let below = |floor| (arrival.at, arrival.order) <= floor;
    if arrival.strength.is_none() || state.history_floor.is_some_and(below) {
        return;
    }
    for line in arrival.lines {
        insert(&mut state.history, arrival.entry(&line.product));
    }
    cut(state);
}

/// Adds another history.
pub(super) fn merge(state: &mut UserState, other: &UserState) {
    for entry in &other.history {
        insert(&mut state.history, entry.clone());
    }
    state.history_floor = state.history_floor.max(other.history_floor);
    if let Some(floor) = state.history_floor {
        state
            .history
            .retain(|entry| (entry.at, entry.order) >= floor);
    }
    cut(state);
}

fn insert(history: &mut Vec<HistoryEntry>, entry: HistoryEntry) {
    fn key(e: &HistoryEntry) -> (EventTime, u64, &ProductId) {
        (e.at, e.order, &e.product)
    }
    if let Err(place) = history.binary_search_by(|e| key(e).cmp(&key(&entry))) {
        history.insert(place, entry);
    }
}

/// Encoded bytes of an entry, at most: id with its length, kind, strength, time, order.
fn bytes(entry: &HistoryEntry) -> usize {
    entry.product.as_str().len()
        + if entry.product.as_str().len() > 127 {
            19
        } else {
            17
        }
}

fn cut(state: &mut UserState) {
    let (mut kept, mut total) = (0, 0);
    for entry in state.history.iter().rev() {
        total += bytes(entry);
        if kept == HISTORY_MAX || total > HISTORY_BYTES_MAX {
            break;
        }
        kept += 1;
    }
    let gone = state.history.len() - kept;
    if let Some(newest_gone) = gone.checked_sub(1) {
        let newest_gone = &state.history[newest_gone];
        let floor = Some((newest_gone.at, newest_gone.order));
        state.history_floor = state.history_floor.max(floor);
        state.history.drain(..gone);
    }
}
