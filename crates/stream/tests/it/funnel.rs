//! Sessions as window rows, and what slates are told: from what is seen to what is bought.

use crate::make::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use vitrina_stream::driver::Driver;
use vitrina_types::event::{Counters, Event, Origin};
use vitrina_types::id::SlateId;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::record::{SlateEnvelope, SlateRecord, UserEnvelope};
use vitrina_types::row::{Dimension, LateEvent, Measures, WindowRow};
use vitrina_types::state::UserValue;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

const GAP: i64 = 30 * MINUTE;
const BEHIND: i64 = 5 * SECOND;
const GRACE: i64 = 5 * MINUTE;

fn told(driver: &Driver) -> Vec<WindowRow> {
    let mut rows: Vec<WindowRow> = driver.decoded(Topic::WindowRows);
    rows.retain(|row| row.key.dimension == Dimension::Session);
    rows
}

fn late(driver: &Driver) -> Vec<LateEvent> {
    let mut late: Vec<LateEvent> = driver.decoded(Topic::LateEvents);
    late.retain(|event| &*event.operator == "user-stage");
    late
}

/// What a reader has in the end; panics when a pane is told twice, or out of order.
fn kept(rows: Vec<WindowRow>) -> BTreeMap<(String, i64, i64, u64), Measures> {
    let mut newest = BTreeMap::new();
    for row in rows {
        let (start, end) = (row.window.start.0 - START, row.window.end.0 - START);
        let id = (row.key.id.to_string(), start, end, row.part);
        let before = newest.insert(id, (row.pane, row.measures));
        assert_eq!(row.pane, before.map_or(0, |before| before.0 + 1));
    }
    let kept = newest.into_iter().filter(|(_, (_, m))| !m.is_empty());
    kept.map(|(id, (_, measures))| (id, measures)).collect()
}

fn kept_of(driver: &Driver) -> BTreeMap<(String, i64, i64, u64), Measures> {
    kept(told(driver))
}

fn without_analytics(mut event: Event) -> Event {
    event.consent.analytics = false;
    event
}

fn loaded(mut record: UserEnvelope) -> UserEnvelope {
    record.backfill = true;
    record
}

/// The tick that moves the watermark to `ms`.
fn reach(ms: i64) -> UserEnvelope {
    tick(ms + BEHIND)
}

type Case = (
    &'static str,
    Vec<UserEnvelope>,
    &'static [(i64, i64, u32, u64)],
    u64,
);

#[test]
fn told_cases() {
    const M: i64 = MINUTE;
    let at = |id: &str, ms: i64| taken(view(id, id, ms), 10 * HOUR);
    let search = |id: &str, ms: i64| taken(event(id, "search", &[], ms), 10 * HOUR);
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        // name, records, rows as told: from and to in minutes, pane, events; late
        ("open",                 vec![at("a", 0), reach(GAP - 1)],                             &[], 0),
        ("ended",                vec![at("a", 0), reach(GAP)],                                 &[(0, 30, 0, 1)], 0),
        ("told once",            vec![at("a", 0), reach(GAP), reach(GAP + 1), reach(2 * GAP)], &[(0, 30, 0, 1)], 0),
        ("at the gap",           vec![at("a", 0), at("b", GAP), reach(2 * GAP)],               &[(0, 60, 0, 2)], 0),
        ("beyond it",            vec![at("a", 0), at("b", 31 * M), reach(61 * M)],             &[(0, 30, 0, 1), (31, 61, 0, 1)], 0),
        ("started earlier",      vec![at("b", 9 * M), at("a", 0), reach(39 * M)],              &[(0, 39, 0, 2)], 0),
        ("bridged",              vec![at("a", 0), at("c", GAP + 2 * SECOND), at("b", 20 * M), reach(61 * M)],
                                                                                               &[(0, 60, 0, 3)], 0),
        ("told, then bridged",   vec![at("a", 0), at("c", 34 * M), at("b", 20 * M), reach(64 * M)],
                                                                                               &[(0, 30, 0, 1), (0, 30, 1, 0), (0, 64, 0, 3)], 0),
        ("search alone",         vec![search("a", 0), reach(GAP)],                             &[(0, 30, 0, 1)], 0),
        ("a duplicate",          vec![at("a", 0), at("a", 0), reach(GAP)],                     &[(0, 30, 0, 1)], 0),
        ("no analytics",         vec![taken(without_analytics(view("a", "a", 0)), 0), reach(GAP)], &[], 0),
        ("no profile",           vec![taken(without_consent(view("a", "a", 0)), 0), reach(GAP)], &[(0, 30, 0, 1)], 0),
        ("told, then inside",    vec![at("c", 9 * M), at("a", 0), reach(39 * M), at("b", 8 * M)],
                                                                                               &[(0, 39, 0, 2), (0, 39, 1, 3)], 0),
        ("told, then grown",     vec![at("a", 0), reach(GAP), at("b", GAP), reach(2 * GAP)],   &[(0, 30, 0, 1), (0, 30, 1, 0), (0, 60, 0, 2)], 0),
        ("grown, not yet told",  vec![at("a", 0), reach(GAP), at("b", GAP)],                   &[(0, 30, 0, 1), (0, 30, 1, 0)], 0),
        ("grown below the watermark", vec![at("a", 0), reach(34 * M), at("b", M)],             &[(0, 30, 0, 1), (0, 30, 1, 0), (0, 31, 0, 2)], 0),
        ("told, then started earlier", vec![at("b", 9 * M), reach(39 * M), at("a", 5 * M)],    &[(9, 39, 0, 1), (9, 39, 1, 0), (5, 39, 0, 2)], 0),
        ("within the grace",     vec![at("a", 0), reach(GAP + GRACE - 1), at("b", 0)],         &[(0, 30, 0, 1), (0, 30, 1, 2)], 0),
        ("late",                 vec![at("a", 0), reach(GAP + GRACE), at("b", 0)],             &[(0, 30, 0, 1)], 1),
        ("late, never seen",     vec![reach(GAP + GRACE), at("a", 0)],                         &[], 1),
        ("late, but its session is open", vec![at("c", 20 * M), reach(49 * M), at("a", 0)],    &[(0, 50, 0, 2)], 0),
        ("not late, beside a closed one", vec![at("a", 0), reach(GAP + GRACE), at("b", M), reach(2 * GAP)],
                                                                                               &[(0, 30, 0, 1), (1, 31, 0, 1)], 0),
    ];
    for (name, records, want, late_count) in cases {
        let mut driver = driven(&records);
        if name.starts_with("late, but") {
            driver.pipe_in(&reach(50 * M));
            driver.run();
        }
        let rows = told(&driver);
        let got: Vec<(i64, i64, u32, u64)> = rows
            .iter()
            .map(|row| {
                assert_eq!((&*row.key.id, row.part), ("u/u", 0), "{name}");
                assert!(row.measures.visitors.is_empty(), "{name}");
                let (start, end) = (row.window.start.0 - START, row.window.end.0 - START);
                let events = row.measures.events.total();
                (start / MINUTE, end / MINUTE, row.pane, events)
            })
            .collect();
        assert_eq!(got, want, "{name}");
        kept(rows);
        assert_eq!(late(&driver).len() as u64, late_count, "{name}");
        let task = driver.user_tasks()[&Partition::of("u")];
        assert_eq!(task.late, late_count, "{name}");
        driver.pipe_in(&tick(DAY));
        driver.run();
        assert_eq!(driver.open()[0], 0, "{name}: closed in the end");
        let stored = driver.snapshot();
        let users = stored
            .iter()
            .filter(|((stage, _), _)| *stage == "user-stage");
        let mut keys = users.flat_map(|(_, values)| values.keys());
        assert!(!keys.any(|key| key.starts_with("~r/s/")), "{name}");
    }
}

#[test]
fn a_late_event_says_what_it_would_have_counted() {
    let buy = event("b", "purchase", &["p", "q"], 0);
    let driver = driven(&[reach(GAP + GRACE + 7), taken(buy, 10 * HOUR)]);
    let late = late(&driver);
    assert_eq!(late.len(), 1);
    let event = &late[0];
    assert_eq!(
        (event.at.0, event.ingest_time.0),
        (START, START + 10 * HOUR)
    );
    assert_eq!(
        (event.window.start.0, event.window.length_ms()),
        (START, GAP)
    );
    assert_eq!((&*event.key.id, event.late_ms(GRACE)), ("u/u", 7));
    assert_eq!(event.measures.pieces, 2);
    // The profile takes it all the same.
    let state = driver.user(&user("u")).unwrap();
    assert_eq!((state.counters.of("purchase"), state.history.len()), (1, 2));
}

#[test]
fn a_session_measures_events_pieces_and_money() {
    let records = [
        live(view("1", "p", 0)),
        live(event("2", "search", &[], 1)),
        live(event("3", "add_to_cart", &["p"], 2)),
        live(event("4", "purchase", &["p", "q", "q"], 3)),
        live(event("5", "return", &["p"], 4)),
        reach(HOUR),
    ];
    let kept = kept_of(&driven(&records));
    let measures = kept.into_values().next().unwrap();
    let events = |kind| measures.events.of(kind);
    // An order of three lines is one event.
    assert_eq!(
        (events("view"), events("search"), events("purchase")),
        (1, 1, 1)
    );
    assert_eq!((measures.events.total(), measures.pieces), (5, 2));
    let usd = |units: f64| (Currency::USD, Amount::from_units(units).unwrap());
    assert_eq!(measures.values_of("view").collect::<Vec<_>>(), [usd(10.0)]);
    assert_eq!(measures.values_of("search").count(), 0);
    assert_eq!(measures.revenue(), [usd(20.0)]);
}

#[test]
fn what_a_linked_visitor_does_counts_in_the_users_session() {
    let mut driver = driven(&[
        live(by(view("1", "a", 0), None, Some("cookie"))),
        live(by(view("2", "b", MINUTE), Some("u"), Some("cookie"))),
    ]);
    driver.pipe_in(&live(by(view("3", "c", 2 * MINUTE), None, Some("cookie"))));
    driver.run();
    driver.pipe_in(&reach(HOUR));
    driver.run();
    let rows = kept_of(&driver).into_iter();
    let rows = rows.map(|((key, start, end, _), m)| (key, start, end, m.events.total()));
    let want = [
        ("a/cookie".to_owned(), 0, GAP, 1),
        ("u/u".to_owned(), MINUTE, 2 * MINUTE + GAP, 2),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), want);
}

#[test]
fn slate_cases() {
    let from = |mut event: Event| {
        event.origin = Some(Origin {
            slate_id: SlateId::new("s-1").unwrap(),
            position: Some(3),
            placement: None,
        });
        event
    };
    let cookie = |event: Event| by(event, None, Some("cookie"));
    let login = by(view("0", "p", 0), Some("u"), Some("cookie"));
    let click = || from(event("1", "click", &["p"], 1));
    let buy = || from(event("2", "purchase", &["p", "q"], 2));
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, &[(&str, &str, Option<f64>)])> = vec![
        ("from nowhere",      vec![live(view("1", "p", 0))],                        &[]),
        ("a click",           vec![live(click())],                                  &[("click", "p", Some(10.0))]),
        ("sent twice",        vec![live(click()), live(click())],                   &[("click", "p", Some(10.0))]),
        ("an order",          vec![live(buy())],                                    &[("purchase", "p", Some(10.0)), ("purchase", "q", Some(10.0))]),
        ("a return",          vec![live(from(event("3", "return", &["p"], 0)))],    &[("return", "p", Some(-10.0))]),
        ("a search",          vec![live(from(event("4", "search", &[], 0)))],       &[]),
        ("no analytics",      vec![live(without_analytics(click()))],               &[]),
        ("no profile",        vec![live(without_consent(click()))],                 &[("click", "p", Some(10.0))]),
        ("long after",        vec![reach(DAY), taken(click(), DAY)],                &[("click", "p", Some(10.0))]),
        ("linked, once",      vec![live(login), tick(1), live(cookie(click()))],    &[("click", "p", Some(10.0))]),
    ];
    for (name, records, want) in cases {
        let mut driver = Driver::default();
        for record in &records {
            driver.pipe_in(record);
            driver.run();
        }
        let mut got = Vec::new();
        for (partition, bytes) in driver.records(Topic::SlateSignals) {
            assert_eq!(partition, Partition::of("s-1"), "{name}");
            let envelope: SlateEnvelope = stored::decode(bytes).unwrap();
            let SlateRecord::Interacted {
                product,
                kind,
                value,
                pieces,
                ..
            } = envelope.record
            else {
                continue;
            };
            assert_eq!(pieces, 1, "{name}");
            got.push((kind.name(), product.to_string(), value.map(|v| v.1.units())));
        }
        let want: Vec<_> = want.iter().map(|w| (w.0, w.1.to_owned(), w.2)).collect();
        assert_eq!(got, want, "{name}");
    }
}

/// Old data makes parts of its own, which lie beside what is live.
#[test]
fn old_data_is_told_apart_and_never_late() {
    let at = |id: &str, ms: i64| loaded(taken(view(id, id, ms), 10 * HOUR));
    let mut driver = driven(&[
        live(view("now", "p", 10 * HOUR)),
        at("a", 0),
        at("b", GAP),
        // Far behind: a session of its own, told at once.
        at("d", 5 * HOUR),
        at("c", MINUTE),
    ]);
    let parts: Vec<u64> = told(&driver).iter().map(|row| row.part).collect();
    assert_eq!(parts, [2, 5]);
    driver.pipe_in(&tick(10 * HOUR + 9 * SECOND));
    driver.run();
    assert_eq!(told(&driver).len(), 2);
    driver.pipe_in(&tick(10 * HOUR + 10 * SECOND));
    driver.run();
    let rows = kept_of(&driver).into_iter();
    let rows = rows.map(|((_, start, end, part), m)| (start, end, part, m.events.total()));
    let want = [
        (0, 2 * GAP, 2, 2),
        (MINUTE, MINUTE + GAP, 5, 1),
        (5 * HOUR, 5 * HOUR + GAP, 4, 1),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), want);
    assert!(late(&driver).is_empty());
    assert_eq!(driver.open()[0], 1, "what is live is open");
}

/// The runs of events without a gap between neighbours: (visitor, from, until, events).
fn runs(events: &[Event]) -> BTreeSet<(String, i64, i64, u64)> {
    let mut sorted: Vec<(String, i64)> = events
        .iter()
        .map(|event| (event.subject.key(), event.event_time.0 - START))
        .collect();
    sorted.sort();
    let mut runs: Vec<(String, i64, i64, u64)> = Vec::new();
    for (key, at) in sorted {
        match runs.last_mut() {
            Some(run) if run.0 == key && at - run.2 <= GAP => {
                run.2 = at;
                run.3 += 1;
            }
            _ => runs.push((key, at, at, 1)),
        }
    }
    runs.into_iter().collect()
}

/// Events by kind of all visitors, as their states count them.
fn counted(driver: &Driver) -> Counters {
    let mut all = Counters::default();
    for values in driver.snapshot().values() {
        for (key, bytes) in values {
            if (key.starts_with("u/") || key.starts_with("a/"))
                && let Ok(UserValue::State(state)) = stored::decode(bytes)
            {
                all.merge(&state.counters);
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// While events come at most the grace behind the watermark, the sessions told in the end are
    /// the runs of events without a gap, in whatever order they come and wherever ticks fall.
    #[test]
    fn arrival_order_does_not_matter(
        drawn in prop::collection::vec(
            (0u8..3, 0i64..5 * HOUR, 0i64..GRACE + BEHIND, any::<bool>()),
            1..40,
        ),
    ) {
        let mut arrivals = Vec::new();
        for (place, (who, at, delay, ticks)) in drawn.into_iter().enumerate() {
            let made = by(view(&format!("e{place}"), "p", at), Some(&format!("u{who}")), None);
            arrivals.push((at + delay, taken(made, at + delay)));
            if ticks {
                arrivals.push((at + delay, tick(at + delay)));
            }
        }
        arrivals.sort_by_key(|arrival| arrival.0);
        arrivals.push((DAY, tick(DAY)));
        let records: Vec<UserEnvelope> = arrivals.into_iter().map(|a| a.1).collect();
        let driver = driven(&records);
        let events = records.iter().filter_map(|r| match &r.record {
            vitrina_types::record::UserRecord::Event(event) => Some((**event).clone()),
            _ => None,
        });
        let want = runs(&events.collect::<Vec<_>>());
        let got: BTreeSet<_> = kept_of(&driver)
            .into_iter()
            .map(|((key, start, end, part), m)| {
                assert_eq!(part, 0);
                (key, start, end - GAP, m.events.total())
            })
            .collect();
        prop_assert_eq!(got, want);
        prop_assert!(late(&driver).is_empty());
        prop_assert_eq!(driver.open()[0], 0);
    }

    /// However late events come, whatever is old data and wherever the driver crashes: every
    /// counted event is in one session or is late, and no pane is told twice.
    #[test]
    fn nothing_is_lost_or_counted_twice(
        records in stream(1..60),
        old in prop::collection::vec(any::<bool>(), 60),
        crashes in prop::collection::vec((1usize..6, any::<bool>()), 0..8),
    ) {
        let mut driver = Driver::default().with_batch(3);
        for (record, old) in records.into_iter().zip(old) {
            driver.pipe_in(&if old { loaded(record) } else { record });
        }
        for (steps, commits) in crashes {
            (0..steps).for_each(|_| { driver.step(); });
            if commits {
                driver.commit();
            }
            driver.crash();
        }
        driver.run();
        driver.pipe_in(&tick(9 * DAY));
        driver.run();
        let mut sum = Counters::default();
        for measures in kept_of(&driver).values() {
            sum.merge(&measures.events);
        }
        let late = late(&driver);
        for event in &late {
            sum.merge(&event.measures.events);
        }
        prop_assert_eq!(sum, counted(&driver));
        let tasks = driver.user_tasks();
        prop_assert_eq!(late.len() as u64, tasks.values().map(|t| t.late).sum::<u64>());
        prop_assert_eq!(driver.open()[0], 0);
    }
}
