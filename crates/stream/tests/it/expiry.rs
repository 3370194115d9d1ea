//! Visitors long gone are forgotten, by records only.

use crate::make::*;
use vitrina_stream::driver::Driver;
use vitrina_types::time::IngestTime;

/// Ticks a day's buckets through: 64 of them, 16 a tick.
fn pass(driver: &mut Driver, ms: i64) {
    for _ in 0..5 {
        driver.advance_time(IngestTime(START + ms));
    }
    driver.run();
}

#[test]
fn idle_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, &[i64], i64, bool)] = &[
        ("fresh",                      &[0],               0,        true),
        ("90 days, not all of them",   &[0],               90 * DAY, true),
        ("90 days",                    &[0],               91 * DAY, false),
        ("much later",                 &[0],              400 * DAY, false),
        ("seen since",                 &[0, 50 * DAY],     91 * DAY, true),
        ("seen since, and then not",   &[0, 50 * DAY],    141 * DAY, false),
        ("twice a day",                &[0, HOUR],         91 * DAY, false),
    ];
    for &(name, events, now, stays) in cases {
        let mut driver = Driver::default();
        for &ms in events {
            driver.pipe_in(&live(view(&format!("e{ms}"), "p", ms)));
        }
        // Each day passes on its own: the next day's bucket must not be taken with it.
        for day in 0..=now / DAY {
            pass(&mut driver, day * DAY);
        }
        pass(&mut driver, now);
        assert_eq!(driver.user(&user("u")).is_some(), stays, "{name}");
        // The product remembers.
        assert!(driver.product(&product("p")).is_some(), "{name}");
        let keys = driver
            .snapshot()
            .into_iter()
            .filter(|((stage, _), _)| *stage == "user-stage");
        let buckets = keys.flat_map(|(_, values)| values.into_keys());
        let buckets = buckets.filter(|key| key.starts_with("~x/")).count();
        assert_eq!(buckets > 0, stays, "{name}");
    }
}

#[test]
fn a_long_pause_expires_everybody_in_bounded_steps() {
    let mut driver = Driver::default();
    for i in 0..300 {
        let made = by(view(&format!("e{i}"), "p", 0), Some(&format!("u{i}")), None);
        driver.pipe_in(&live(made));
    }
    driver.run();
    let visitors = |driver: &Driver| {
        let snapshot = driver.snapshot();
        let values = snapshot.values().flat_map(|values| values.keys());
        values.filter(|key| key.starts_with("u/")).count()
    };
    assert_eq!(visitors(&driver), 300);
    driver.advance_time(IngestTime(START + 1_000 * DAY));
    driver.run();
    let left = visitors(&driver);
    assert!(left > 0 && left < 300, "{left} left after one tick");
    pass(&mut driver, 1_000 * DAY);
    assert_eq!(visitors(&driver), 0);
}

#[test]
fn old_data_loaded_today_is_not_idle() {
    let mut driver = Driver::default();
    let mut old = taken(view("1", "p", -2_000 * DAY), 0);
    old.backfill = true;
    driver.pipe_in(&old);
    pass(&mut driver, 0);
    assert!(driver.user(&user("u")).is_some());
}

#[test]
fn who_comes_back_before_being_forgotten_stays() {
    let mut driver = Driver::default();
    driver.pipe_in(&live(view("1", "p", 0)));
    driver.run();
    // The bucket is asked for and the visitor comes back before the answer is read.
    for _ in 0..5 {
        driver.advance_time(IngestTime(START + 91 * DAY));
    }
    driver.pipe_in(&live(view("2", "p", 91 * DAY)));
    driver.run();
    assert_eq!(driver.user(&user("u")).unwrap().counters.of("view"), 2);
}
