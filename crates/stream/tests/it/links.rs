//! An anonymous visitor turns out to be a user: one joined history, whatever comes first.

use crate::make::*;
use proptest::prelude::*;
use vitrina_stream::driver::Driver;
use vitrina_types::record::{UserEnvelope, UserRecord};
use vitrina_types::state::UserState;
use vitrina_types::topic::Topic;

fn products(state: &UserState) -> Vec<&str> {
    state.history.iter().map(|e| e.product.as_str()).collect()
}

fn kinds(driver: &Driver) -> (usize, usize, usize) {
    let (mut links, mut adopted, mut forwarded) = (0, 0, 0);
    for envelope in driver.decoded::<UserEnvelope>(Topic::UserEvents) {
        match envelope.record {
            UserRecord::Link { .. } => links += 1,
            UserRecord::Adopt { .. } => adopted += 1,
            UserRecord::Forward { .. } => forwarded += 1,
            _ => {}
        }
    }
    (links, adopted, forwarded)
}

#[test]
fn a_visitor_who_logs_in_keeps_the_past_and_the_future() {
    let before = live(by(view("1", "a", 0), None, Some("cookie")));
    let login = live(by(view("2", "b", 1), Some("u"), Some("cookie")));
    let after = live(by(view("3", "c", 2), None, Some("cookie")));
    let mut driver = driven(&[before.clone(), login]);
    driver.pipe_in(&after);
    driver.run();
    // Sent again: each was counted where it was counted first.
    driver.pipe_in(&before);
    driver.pipe_in(&after);
    driver.run();
    let state = driver.user(&user("u")).unwrap();
    assert_eq!(products(&state), ["a", "b", "c"]);
    assert_eq!((state.counters.of("view"), state.sessions), (3, 1));
    assert_eq!(state.linked, [anonymous("cookie")]);
    let left = driver.anonymous(&anonymous("cookie")).unwrap();
    assert_eq!(left.linked_to, Some(user("u")));
    assert!(left.history.is_empty() && left.counters.total() == 0);
    assert_eq!(kinds(&driver), (1, 1, 1));
    // The past counted for products when it happened, and only then.
    assert_eq!(
        driver.product(&product("a")).unwrap().counters.of("view"),
        1
    );
    assert_eq!(
        driver.product(&product("c")).unwrap().counters.of("view"),
        1
    );
}

#[test]
fn a_later_user_of_the_same_device_gets_only_what_comes_then() {
    let mut driver = driven(&[
        live(by(view("1", "a", 0), None, Some("cookie"))),
        live(by(view("2", "b", 1), Some("first"), Some("cookie"))),
    ]);
    driver.pipe_in(&live(by(view("3", "c", 2), None, Some("cookie"))));
    driver.run();
    driver.pipe_in(&live(by(view("4", "d", 3), Some("second"), Some("cookie"))));
    driver.run();
    driver.pipe_in(&live(by(view("5", "e", 4), None, Some("cookie"))));
    driver.run();
    assert_eq!(
        products(&driver.user(&user("first")).unwrap()),
        ["a", "b", "c"]
    );
    assert_eq!(products(&driver.user(&user("second")).unwrap()), ["d", "e"]);
}

#[test]
fn the_newest_link_wins_also_when_it_was_there_before() {
    let mut driver = Driver::default();
    for (place, who) in ["first", "second", "first"].into_iter().enumerate() {
        let (login, later) = (format!("login{place}"), format!("later{place}"));
        let at = place as i64 * 10;
        driver.pipe_in(&live(by(
            view(&login, &login, at),
            Some(who),
            Some("cookie"),
        )));
        driver.run();
        driver.pipe_in(&live(by(
            view(&later, &later, at + 1),
            None,
            Some("cookie"),
        )));
        driver.run();
    }
    let first = driver.user(&user("first")).unwrap();
    assert_eq!(products(&first), ["login0", "later0", "login2", "later2"]);
    assert_eq!(
        products(&driver.user(&user("second")).unwrap()),
        ["login1", "later1"]
    );
}

#[test]
fn link_cases() {
    let login = |id: &str, ms| by(view(id, id, ms), Some("u"), Some("cookie"));
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<UserEnvelope>, (usize, usize, usize))> = vec![
        ("nothing before",   vec![live(login("1", 0))],                                  (1, 0, 0)),
        ("told twice",       vec![live(login("1", 0)), live(login("2", 1))],             (1, 0, 0)),
        ("no consent",       vec![live(without_consent(login("1", 0)))],                 (0, 0, 0)),
        ("a duplicate",      vec![live(login("1", 0)), live(login("1", 0))],             (1, 0, 0)),
    ];
    for (name, records, want) in cases {
        assert_eq!(kinds(&driven(&records)), want, "{name}");
    }
}

#[test]
fn what_was_seen_before_the_link_is_known_to_the_user() {
    let mut driver = driven(&[
        live(by(view("1", "a", 0), None, Some("cookie"))),
        live(by(view("2", "b", 1), Some("u"), Some("cookie"))),
    ]);
    // The same event once more, now with the user's id.
    driver.pipe_in(&live(by(view("1", "a", 0), Some("u"), None)));
    driver.run();
    assert_eq!(driver.user(&user("u")).unwrap().counters.of("view"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Wherever the link falls among the events of both, and however the partitions' records
    /// interleave, the user ends with all of it once.
    #[test]
    fn every_interleaving_gives_one_joined_history(
        events in prop::collection::vec((0u8..3, 0i64..20 * MINUTE, 0u8..20), 1..25),
        login in 0usize..25,
        batch in 1usize..6,
        steps in prop::collection::vec(0usize..4, 25),
    ) {
        let mut driver = Driver::default().with_batch(batch);
        let login = login.min(events.len() - 1);
        let mut want = Vec::new();
        for (place, (who, at, of)) in events.iter().enumerate() {
            let (id, of) = (format!("e{place}"), format!("p{of}"));
            let made = event(&id, if place % 4 == 0 { "purchase" } else { "view" }, &[&of], *at);
            let made = match who {
                _ if place == login => by(made, Some("u"), Some("cookie")),
                0 => by(made, Some("u"), None),
                _ => by(made, None, Some("cookie")),
            };
            want.push((*at, of));
            driver.pipe_in(&taken(made, HOUR));
            (0..steps[place]).for_each(|_| { driver.step(); });
        }
        driver.run();
        let state = driver.user(&user("u")).unwrap();
        let mut got: Vec<(i64, String)> = state
            .history
            .iter()
            .map(|e| (e.at.0 - START, e.product.to_string()))
            .collect();
        got.sort();
        want.sort();
        prop_assert_eq!(got, want);
        prop_assert!(state.history.is_sorted_by_key(|e| (e.at, e.order)));
        prop_assert_eq!(state.counters.total(), events.len() as u64);
        let money = state.spent.iter().map(|s| s.1.units()).sum::<f64>();
        prop_assert_eq!(money, events.len().div_ceil(4) as f64 * 10.0);
        prop_assert_eq!(state.seen.len(), events.len());
        prop_assert_eq!(state.sessions, 1);
        let counted: u64 = (0..20)
            .filter_map(|p| driver.product(&product(&format!("p{p}"))))
            .map(|p| p.counters.total())
            .sum();
        prop_assert_eq!(counted, events.len() as u64);
    }
}
