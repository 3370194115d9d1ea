//! What an event means for products and for the slate it came from: interactions, and pairs met in
//! one session.
//!
//! A pair's weight depends only on its two events and is the same from either side, so it does
//! not matter which of the two arrived first.

use super::bounds::COVISIT_NEIGHBOURS_MAX;
use super::history::Arrival;
use super::purchases::moved;
use super::session::Visit;
use crate::options::UserOptions;
use crate::outbox::Outbox;
use vitrina_types::event::Event;
use vitrina_types::id::ProductId;
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope};
use vitrina_types::record::{SlateEnvelope, SlateRecord};
use vitrina_types::state::{HistoryEntry, UserState};
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

fn caused_by(cause: &UserEnvelope, record: ProductRecord) -> ProductEnvelope {
    ProductEnvelope {
        ingest_time: cause.ingest_time,
        backfill: cause.backfill,
        record,
    }
}

/// Sends one interaction for each line of the event. `visitor` is the hash of the visitor's key;
/// `None` when it is not to be analysed.
pub(super) fn interactions(
    event: &Event,
    interest: f32,
    visitor: Option<u64>,
    cause: &UserEnvelope,
    options: &UserOptions,
    out: &mut Outbox,
) {
    let currency = event.currency.unwrap_or(options.currency);
    for line in event.kind.lines() {
        let amount = moved(line, event.kind.is_return());
        let record = ProductRecord::Interaction {
            product: line.product.clone(),
            kind: event.kind.tag(),
            interest,
            at: event.event_time,
            value: amount.map(|amount| (currency, amount)),
            pieces: line.quantity,
            visitor,
        };
        let partition = Partition::of(line.product.as_str());
        out.send(Topic::ProductSignals, partition, &caused_by(cause, record));
    }
}

/// Tells the slate the event came from, where it says one, of each of its lines. `visitor` is the
/// hash of the visitor's key.
pub(super) fn slate(
    event: &Event,
    visitor: u64,
    cause: &UserEnvelope,
    options: &UserOptions,
    out: &mut Outbox,
) {
    let Some(origin) = &event.origin else {
        return;
    };
    let currency = event.currency.unwrap_or(options.currency);
    let partition = Partition::of(origin.slate_id.as_str());
    for line in event.kind.lines() {
        let amount = moved(line, event.kind.is_return());
        let envelope = SlateEnvelope {
            ingest_time: cause.ingest_time,
            backfill: cause.backfill,
            record: SlateRecord::Interacted {
                slate: origin.slate_id.clone(),
                product: line.product.clone(),
                kind: event.kind.tag(),
                at: event.event_time,
                value: amount.map(|amount| (currency, amount)),
                pieces: line.quantity,
                visitor,
            },
        };
        out.send(Topic::SlateSignals, partition, &envelope);
    }
}

/// Sends the pairs that each line of the event makes with other products of its visit, at most
/// [`COVISIT_NEIGHBOURS_MAX`] a line, the nearest in time. A product met in the visit before
/// makes no new pair; one bought in it before makes no new pair of bought ones.
pub(super) fn pairs(
    state: &UserState,
    arrival: &Arrival<'_>,
    visit: &Visit,
    cause: &UserEnvelope,
    out: &mut Outbox,
) {
    if arrival.strength.is_none_or(|strength| strength <= 0) {
        return;
    }
    let known = visit.of(&state.history);
    for (place, line) in arrival.lines.iter().enumerate() {
        let before = arrival.lines[..place].iter().rev().map(|l| &l.product);
        let bought = |entry: &&HistoryEntry| entry.kind == arrival.kind;
        let mut pairing = Pairing {
            product: &line.product,
            arrival,
            cause,
            out,
        };
        pairing.send(
            false,
            known.iter().filter(|e| e.strength > 0),
            before.clone(),
        );
        if arrival.is_purchase {
            pairing.send(true, known.iter().filter(bought), before);
        }
    }
}

/// One line looking for its neighbours.
struct Pairing<'a> {
    product: &'a ProductId,
    arrival: &'a Arrival<'a>,
    cause: &'a UserEnvelope,
    out: &'a mut Outbox,
}

/// A product to be paired with: nearer in time first.
struct Neighbour<'a> {
    apart_ms: i64,
    at: EventTime,
    strength: i8,
    product: &'a ProductId,
}

impl Pairing<'_> {
    /// Sends the pairs with the entries of the visit and with the lines `before` in the event.
    fn send<'a>(
        &mut self,
        bought: bool,
        known: impl DoubleEndedIterator<Item = &'a HistoryEntry>,
        before: impl Iterator<Item = &'a ProductId>,
    ) {
        let mut near: Vec<Neighbour<'a>> = Vec::new();
        let strength = self.arrival.strength.unwrap_or(0);
        for product in before {
            if product == self.product {
                return;
            }
            near.push(Neighbour {
                apart_ms: 0,
                at: self.arrival.at,
                strength,
                product,
            });
            if near.len() == COVISIT_NEIGHBOURS_MAX {
                break;
            }
        }
        for entry in known.rev() {
            if entry.product == *self.product {
                return;
            }
            consider(&mut near, entry, self.arrival.at);
        }
        for neighbour in &near {
            self.send_pair(neighbour, bought);
        }
    }

    fn send_pair(&mut self, neighbour: &Neighbour<'_>, bought: bool) {
        let strength = self.arrival.strength.unwrap_or(0);
        let weight = weight(strength, neighbour.strength, neighbour.apart_ms);
        let (at, cause) = (self.arrival.at.max(neighbour.at), self.cause);
        let (mut product, mut other) = (self.product.clone(), neighbour.product.clone());
        // Two records of one making: the ids change places.
        for _ in 0..2 {
            let partition = Partition::of(product.as_str());
            let record = ProductRecord::CoVisit {
                product,
                neighbour: other,
                weight,
                at,
                bought,
            };
            let envelope = caused_by(cause, record);
            self.out.send(Topic::ProductSignals, partition, &envelope);
            match envelope.record {
                ProductRecord::CoVisit {
                    product: sent,
                    neighbour,
                    ..
                } => (product, other) = (neighbour, sent),
                _ => return,
            }
        }
    }
}

/// Keeps the nearest entry of each product, and of these the nearest; ties go to the product
/// that sorts first.
fn consider<'a>(near: &mut Vec<Neighbour<'a>>, entry: &'a HistoryEntry, at: EventTime) {
    let candidate = Neighbour {
        apart_ms: at.since_ms(entry.at).saturating_abs(),
        at: entry.at,
        strength: entry.strength,
        product: &entry.product,
    };
    let rank = |n: &Neighbour<'a>| (n.apart_ms, std::cmp::Reverse(n.strength), n.product, n.at);
    if let Some(same) = near.iter().position(|n| n.product == candidate.product) {
        if rank(&near[same]) <= rank(&candidate) {
            return;
        }
        near.remove(same);
    }
    let place = near.partition_point(|n| rank(n) < rank(&candidate));
    near.insert(place, candidate);
    near.truncate(COVISIT_NEIGHBOURS_MAX);
}

/// How strongly two events of one session bind their products, at least 0: the geometric mean of
/// their interests (in views) over 1 + log2(1 + minutes apart).
fn weight(a_quarters: i8, b_quarters: i8, apart_ms: i64) -> f32 {
    let interest = (f64::from(a_quarters.max(0)) * f64::from(b_quarters.max(0))).sqrt() / 4.0;
    let minutes = apart_ms as f64 / 60_000.0;
    (interest / (1.0 + (1.0 + minutes).log2())) as f32
}

#[cfg(test)]
mod tests {
    use super::weight;

    #[test]
    fn weight_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, i8, i8, i64, f32)] = &[
            ("two views at once",       4,  4,          0, 1.0),
            ("a minute apart",          4,  4,     60_000, 0.5),
            ("seven minutes apart",     4,  4,    420_000, 0.25),
            ("two purchases",          32, 32,          0, 8.0),
            ("a view and a purchase",   4, 16,          0, 2.0),
            ("no interest",             0, 32,          0, 0.0),
            ("the opposite",          -32, 32,          0, 0.0),
        ];
        for &(name, a, b, apart_ms, want) in cases {
            assert_eq!(weight(a, b, apart_ms), want, "{name}");
            assert_eq!(weight(b, a, apart_ms), want, "{name}, from the other side");
        }
    }
}
