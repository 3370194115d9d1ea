//! What one visitor's events leave in the visitor's state.

use crate::make::*;
use vitrina_stream::bounds::{HISTORY_MAX, SEEN_MAX};
use vitrina_stream::driver::Driver;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::record::{DeadLetter, ProductEnvelope, ProductRecord, UserEnvelope};
use vitrina_types::stored;
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

#[test]
fn history_cases() {
    let order = |id: &str, ms| event(id, "purchase", &["p1", "p2"], ms);
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, &[&str])> = vec![
        ("nothing",            vec![],                                                        &[]),
        ("a view",             vec![live(view("1", "p", 0))],                                 &["p"]),
        ("sent twice",         vec![live(view("1", "p", 0)), live(view("1", "p", 0))],        &["p"]),
        ("seen twice",         vec![live(view("1", "p", 0)), live(view("2", "p", 9))],        &["p", "p"]),
        ("out of order",       vec![live(view("1", "p", 9)), live(view("2", "q", 0))],        &["q", "p"]),
        ("an order",           vec![live(order("1", 0))],                                     &["p1", "p2"]),
        ("only shown",         vec![live(event("1", "impression", &["p"], 0))],               &[]),
        ("a search",           vec![live(event("1", "search", &[], 0))],                      &[]),
        ("no consent",         vec![live(without_consent(view("1", "p", 0)))],                &[]),
        ("taken out of cart",  vec![live(event("1", "remove_from_cart", &["p"], 0))],         &["p"]),
    ];
    for (name, records, want) in cases {
        let state = driven(&records).user(&user("u"));
        let history = state.map_or(Vec::new(), |state| state.history);
        let got: Vec<&str> = history.iter().map(|e| e.product.as_str()).collect();
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn purchased_cases() {
    let buy = |id: &str, of: &str, ms| live(event(id, "purchase", &[of], ms));
    let back = |id: &str, of: &str, ms| live(event(id, "return", &[of], ms));
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, &[(&str, i64)], f64)> = vec![
        ("bought",              vec![buy("1", "p", 5)],                                       &[("p", 5)], 10.0),
        ("bought again",        vec![buy("1", "p", 5), buy("2", "p", 9)],                     &[("p", 9)], 20.0),
        ("again, out of order", vec![buy("2", "p", 9), buy("1", "p", 5)],                     &[("p", 9)], 20.0),
        ("came back",           vec![buy("1", "p", 5), back("2", "p", 9)],                    &[],          0.0),
        ("came back first",     vec![back("2", "p", 9), buy("1", "p", 5)],                    &[],          0.0),
        ("bought after that",   vec![buy("1", "p", 5), back("2", "p", 7), buy("3", "p", 9)],  &[("p", 9)], 10.0),
        ("the other came back", vec![buy("1", "p", 5), back("2", "q", 9)],                    &[("p", 5)],  0.0),
    ];
    for (name, records, want, spent) in cases {
        let state = driven(&records).user(&user("u")).unwrap();
        let got = state
            .purchased
            .iter()
            .map(|p| (p.product.as_str(), p.at.0 - START));
        assert_eq!(got.collect::<Vec<_>>(), want, "{name}");
        let spent = Amount::from_units(spent).unwrap();
        assert_eq!(state.spent, [(Currency::USD, spent)], "{name}");
    }
}

#[test]
fn a_duplicate_changes_nothing_but_its_counter() {
    let once = driven(&[live(view("1", "p", 0))]);
    let again = view("1", "p", 20 * MINUTE);
    let twice = driven(&[live(view("1", "p", 0)), live(again)]);
    assert_eq!(once.user(&user("u")), twice.user(&user("u")));
    let signals = |driver: &Driver| {
        let records: Vec<ProductEnvelope> = driver.decoded(Topic::ProductSignals);
        let about = records.iter().filter(|r| r.record.partition_id().is_some());
        about.count()
    };
    assert_eq!(signals(&once), signals(&twice));
    assert_eq!(twice.user_tasks()[&Partition::of("u")].duplicates, 1);
    assert_eq!(twice.user_tasks()[&Partition::of("u")].applied, 2);
}

#[test]
fn an_old_duplicate_is_found_in_the_history() {
    let old = live(view("1", "p", 0));
    let state = driven(&[old.clone(), live(view("2", "q", 5 * HOUR)), old]);
    assert_eq!(state.user(&user("u")).unwrap().counters.of("view"), 2);
}

#[test]
fn one_wrong_clock_does_not_end_deduplication() {
    let ahead = taken(view("1", "p", 20 * HOUR), 0);
    // Without consent nothing but the ids seen remembers it.
    let now = live(without_consent(view("2", "q", MINUTE)));
    let state = driven(&[ahead, now.clone(), now]).user(&user("u")).unwrap();
    assert_eq!(state.counters.of("view"), 2);
}

#[test]
fn without_consent_products_are_counted_and_no_profile_is_built() {
    let records = [
        live(without_consent(view("1", "p", 0))),
        live(without_consent(event("2", "purchase", &["p", "q"], 9))),
        live(without_consent(event("2", "purchase", &["p", "q"], 9))),
    ];
    let driver = driven(&records);
    let state = driver.user(&user("u")).unwrap();
    assert_eq!(
        (state.counters.of("view"), state.counters.of("purchase")),
        (1, 1)
    );
    assert_eq!(state.sessions, 0);
    assert!(state.history.is_empty() && state.purchased.is_empty() && state.spent.is_empty());
    let bought = driver.product(&product("p")).unwrap();
    assert_eq!(bought.counters.of("purchase"), 1);
    assert_eq!(
        bought.revenue,
        [(Currency::USD, Amount::from_units(10.0).unwrap())]
    );
    assert!(bought.covisits.entries.is_empty() && bought.bought_together.entries.is_empty());
}

#[test]
fn revenue_has_a_sign() {
    let driver = driven(&[
        live(event("1", "purchase", &["p"], 0)),
        live(event("2", "return", &["p"], 9)),
        live(view("3", "p", 10)),
    ]);
    let records: Vec<ProductEnvelope> = driver.decoded(Topic::ProductSignals);
    let values = records.iter().filter_map(|r| match &r.record {
        ProductRecord::Interaction { kind, value, .. } => {
            Some((kind.moves_money(), value.map(|v| v.1.units())))
        }
        _ => None,
    });
    let want = [
        (true, Some(10.0)),
        (true, Some(-10.0)),
        // What was only seen has a value too, which is no revenue.
        (false, Some(10.0)),
    ];
    assert_eq!(values.collect::<Vec<_>>(), want);
    assert_eq!(
        driver.product(&product("p")).unwrap().revenue[0].1,
        Amount::ZERO
    );
}

#[test]
fn an_event_of_tomorrow_is_a_dead_letter() {
    #[rustfmt::skip]
    let cases: &[(&str, i64, i64, bool)] = &[
        ("on time",         0,                       0, true),
        ("at the limit",    DAY,                     0, true),
        ("beyond",          DAY + 1,                 0, false),
        ("year 9999",       253_402_300_799_999 - START, 0, false),
        ("in the past",     0,          90 * 365 * DAY, true),
        ("end of time",     i64::MAX - START,        0, false),
        ("taken in at 0",   0,                  -START, false),
    ];
    for &(name, at, ingest, taken_in) in cases {
        let record = taken(view("1", "p", at), ingest);
        let driver = driven(std::slice::from_ref(&record));
        assert_eq!(driver.user(&user("u")).is_some(), taken_in, "{name}");
        let letters: Vec<DeadLetter> = driver.decoded(Topic::DeadLetters);
        assert_eq!(letters.is_empty(), taken_in, "{name}");
        if let Some(letter) = letters.first() {
            assert_eq!(letter.rejection.code, "event_time_in_future", "{name}");
            assert_eq!(letter.bytes, stored::encode(&record), "{name}");
            assert!(letter.source.starts_with("user-events/"), "{name}");
            assert!(letter.source.ends_with("@0"), "{name}");
            assert_eq!(
                driver.user_tasks()[&Partition::of("u")].rejected,
                1,
                "{name}"
            );
            assert_eq!(
                driver.user_tasks()[&Partition::of("u")].applied,
                0,
                "{name}"
            );
        }
    }
}

#[test]
fn lists_are_bounded_by_the_newest() {
    let records: Vec<UserEnvelope> = (0..200)
        .map(|i| live(view(&format!("e{i}"), &format!("{i}"), i * SECOND)))
        .collect();
    let state = driven(&records).user(&user("u")).unwrap();
    assert_eq!(state.history.len(), HISTORY_MAX);
    assert_eq!(state.seen.len(), SEEN_MAX);
    assert_eq!(state.history[0].product, product("136"));
    assert_eq!(state.first_seen, EventTime(START));
    assert_eq!(state.last_seen, EventTime(START + 199 * SECOND));
}

#[test]
fn an_order_of_200_lines_fits() {
    let names: Vec<String> = (0..200).map(|i| format!("p{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let driver = driven(&[live(event("1", "purchase", &names, 0))]);
    let state = driver.user(&user("u")).unwrap();
    assert_eq!(state.history.len(), HISTORY_MAX);
    assert_eq!(state.counters.of("purchase"), 1);
    assert!(
        driver
            .product(&product("p0"))
            .unwrap()
            .bought_together
            .entries
            .len()
            >= 8
    );
}
