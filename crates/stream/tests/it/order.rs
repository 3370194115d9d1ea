//! The order in which a visitor's events arrive does not matter, nor how often each does.

use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use vitrina_stream::driver::Driver;
use vitrina_types::decayed::Window;
use vitrina_types::event::Event;
use vitrina_types::id::ProductId;
use vitrina_types::record::UserEnvelope;
use vitrina_types::state::{Neighbours, ProductState};
use vitrina_types::time::EventTime;

/// Far enough from one session to the next that no late event can join two.
const SESSION: i64 = 3 * HOUR;
/// Everything is taken in at the end, in any order.
const TAKEN: i64 = DAY;

/// Events of one visitor in a few sessions, long ids and orders of several lines among them.
fn visits() -> impl Strategy<Value = Vec<Event>> {
    let one = (
        0..KINDS.len(),
        0i64..5,
        0i64..25 * MINUTE,
        0usize..9,
        1usize..100,
    );
    prop::collection::vec(one, 1..120).prop_map(|drawn| {
        let of =
            |(place, (kind, session, at, of, long)): (usize, (usize, i64, i64, usize, usize))| {
                let names = [format!("p{of:0>long$}"), format!("q{of}")];
                let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
                if !matches!(KINDS[kind], "purchase" | "return") {
                    names.truncate(1);
                }
                event(
                    &format!("e{place}"),
                    KINDS[kind],
                    &names,
                    session * SESSION + at,
                )
            };
        drawn.into_iter().enumerate().map(of).collect()
    })
}

fn fed(events: &[Event]) -> Driver {
    let records: Vec<UserEnvelope> = events.iter().map(|e| taken(e.clone(), TAKEN)).collect();
    driven(&records)
}

fn met(events: &[Event]) -> BTreeSet<&ProductId> {
    let lines = events.iter().flat_map(|event| event.kind.lines());
    lines.map(|line| &line.product).collect()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(1.0)
}

fn same_neighbours(a: &Neighbours, b: &Neighbours) -> bool {
    let now = EventTime(START + TAKEN);
    let sorted = |n: &Neighbours| {
        let entries = n.entries.iter();
        let mut entries: Vec<_> = entries
            .map(|e| (e.product.clone(), e.weight.value(1e9, now)))
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    };
    let (a, b) = (sorted(a), sorted(b));
    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && near(a.1, b.1))
}

fn counts_alike(a: &ProductState, b: &ProductState) -> Result<(), TestCaseError> {
    let now = EventTime(START + TAKEN);
    prop_assert_eq!(a.counters, b.counters);
    prop_assert_eq!(&a.revenue, &b.revenue);
    prop_assert_eq!((a.first_seen, a.last_seen), (b.first_seen, b.last_seen));
    prop_assert!(near(a.interest.value(1e9, now), b.interest.value(1e9, now)));
    for window in Window::ALL {
        prop_assert!(near(
            a.windows.sum(window, now).into(),
            b.windows.sum(window, now).into()
        ));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// History, counters, spending and sessions of the visitor and the counts of products are
    /// the same in any order of arrival, also where the history has to forget.
    #[test]
    fn arrival_order_does_not_matter(
        (live, late) in visits().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
    ) {
        let (a, b) = (fed(&live), fed(&late));
        let (ua, ub) = (a.user(&user("u")).unwrap(), b.user(&user("u")).unwrap());
        prop_assert_eq!(&ua.history, &ub.history);
        prop_assert_eq!(ua.history_floor, ub.history_floor);
        prop_assert_eq!(ua.counters, ub.counters);
        prop_assert_eq!(&ua.spent, &ub.spent);
        prop_assert_eq!((ua.first_seen, ua.last_seen), (ub.first_seen, ub.last_seen));
        prop_assert_eq!(&ua.seen, &ub.seen);
        for id in met(&live) {
            counts_alike(&a.product(id).unwrap(), &b.product(id).unwrap())?;
        }
    }

    /// Pairs too, and the newest session, where each product is met once in a session of at most
    /// nine products.
    #[test]
    fn pairs_do_not_depend_on_the_order(
        (live, late) in prop::collection::btree_map((0i64..4, 0usize..9), (0i64..25 * MINUTE, 0usize..3), 1..36)
            .prop_map(|met| {
                let events = met.into_iter().map(|((session, of), (at, kind))| {
                    let kind = ["view", "click", "purchase"][kind];
                    let id = format!("e{session}-{of}");
                    event(&id, kind, &[&format!("p{of}")], session * SESSION + at)
                });
                events.collect::<Vec<_>>()
            })
            .prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
    ) {
        let (a, b) = (fed(&live), fed(&late));
        let (ua, ub) = (a.user(&user("u")).unwrap(), b.user(&user("u")).unwrap());
        prop_assert_eq!((ua.sessions, ua.session), (ub.sessions, ub.session));
        prop_assert_eq!(&ua.purchased, &ub.purchased);
        for of in 0..9 {
            let id = product(&format!("p{of}"));
            if let (Some(pa), Some(pb)) = (a.product(&id), b.product(&id)) {
                prop_assert!(same_neighbours(&pa.covisits, &pb.covisits));
                prop_assert!(same_neighbours(&pa.bought_together, &pb.bought_together));
            }
        }
    }

    /// Events that arrive again, in any number and at any place after the first, change nothing.
    #[test]
    fn nothing_counts_twice(
        visits in visits(),
        again in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..40),
    ) {
        // Within the horizon of what is remembered.
        let visits: Vec<Event> = visits.into_iter().take(100).collect();
        let visits: Vec<Event> = visits
            .into_iter()
            .map(|mut e| { e.event_time.0 = START + (e.event_time.0 - START) % SESSION; e })
            .collect();
        let once = fed(&visits);
        let mut doubled = visits.clone();
        for (which, place) in &again {
            let which = which.index(doubled.len());
            let place = which + 1 + place.index(doubled.len() - which);
            doubled.insert(place, doubled[which].clone());
        }
        let twice = fed(&doubled);
        let duplicates: u64 = twice.user_tasks().values().map(|t| t.duplicates).sum();
        prop_assert_eq!(duplicates, again.len() as u64);
        prop_assert_eq!(once.user(&user("u")), twice.user(&user("u")));
        for id in met(&visits) {
            prop_assert_eq!(once.product(id), twice.product(id));
        }
    }
}
