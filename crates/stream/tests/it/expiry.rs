//! Visitors long gone are forgotten, by records only.

use crate::alone::Alone;
use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::bounds::{EXPIRY_DUE_PER_ASKED, EXPIRY_KEYS_MAX, EXPIRY_OLD_DAYS};
use vitrina_stream::bounds::{EXPIRY_OPEN_MAX, EXPIRY_SHARDS};
use vitrina_stream::driver::Driver;
use vitrina_stream::{UserOptions, UserStage};
use vitrina_types::record::UserEnvelope;
use vitrina_types::state::{TaskState, UserState, UserValue};
use vitrina_types::time::IngestTime;

/// Ticks a day's buckets through: 64 of them of the last release, 16 a tick.
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
        let is_bucket = |key: &String| key.starts_with("~x/") || key.starts_with("~r/x");
        let buckets = buckets.filter(is_bucket).count();
        assert_eq!(buckets > 0, stays, "{name}");
    }
}

/// Visitors whose state is stored.
fn visitors(alone: &Alone<UserStage>) -> usize {
    let keys = alone.keys().into_iter();
    keys.filter(|key| key.starts_with("u/")).count()
}

fn seen(visitor: u32, ms: i64) -> UserEnvelope {
    let event = view(&format!("e{visitor}-{ms}"), "p", ms);
    live(by(event, Some(&format!("u{visitor}")), None))
}

#[test]
fn a_long_pause_expires_everybody_in_bounded_steps() {
    let mut alone = Alone::new(UserStage::default(), 0);
    let per_tick = UserOptions::default().expiry_buckets_per_tick * EXPIRY_KEYS_MAX as u32;
    let all = 2 * per_tick + 300;
    (0..all).for_each(|i| alone.push(&seen(i, i64::from(i))));
    alone.run();
    for left in [all, all - per_tick, all - 2 * per_tick, 0] {
        assert_eq!(visitors(&alone), left as usize);
        alone.push(&tick(1_000 * DAY));
        alone.run();
    }
}

/// However many are due, all have been asked for in about a day.
#[test]
fn many_that_are_due_go_faster() {
    let options = UserOptions {
        expiry_buckets_per_tick: 1,
        ..UserOptions::default()
    };
    let mut alone = Alone::new(UserStage { options }, 0);
    // More days in turns than have an open bucket: most buckets are sealed with one key.
    let days = EXPIRY_OPEN_MAX as u32 + 2;
    (0..8_000).for_each(|i| alone.push(&seen(i, i64::from(i % days) * DAY)));
    alone.run();
    let buckets = |alone: &Alone<UserStage>| {
        let keys = alone.keys().into_iter();
        keys.filter(|key| key.contains("x/")).count() as u32
    };
    let due = buckets(&alone);
    let share = due / EXPIRY_DUE_PER_ASKED;
    assert!(share >= 2, "{due} buckets");
    alone.push(&tick(1_000 * DAY));
    alone.run();
    assert_eq!(buckets(&alone), due - share);
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

const IDLE_DAYS: u32 = 3;

fn forgetful() -> Alone<UserStage> {
    let options = UserOptions {
        idle_days: IDLE_DAYS,
        expiry_buckets_per_tick: 5_000,
        ..UserOptions::default()
    };
    Alone::new(UserStage { options }, 0)
}

/// One step of time: days that pass, then blocks of visitors who come: the first, how many, on
/// which day beside today, in turns with the others. Last, whether all comes to rest.
type Step = (i64, Vec<(u32, u32, i64)>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let block = (0u32..400, 1u32..200, -6i64..=6);
    let step = (0i64..3, prop::collection::vec(block, 0..9), any::<bool>());
    prop::collection::vec(step, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Every visitor idle past the limit goes and nobody else, whatever days come in turns; and where a task commits or loses its memory changes nothing of it.
    #[test]
    fn who_was_idle_goes_and_nobody_else(
        steps in steps(),
        breaks in prop::collection::vec((1usize..300, any::<bool>()), 0..6),
    ) {
        let (mut calm, mut shaken) = (forgetful(), forgetful());
        let mut last_days = BTreeMap::new();
        let mut today = 10;
        for (place, (days, blocks, rests)) in (0..).zip(steps) {
            today += days;
            let mut records = Vec::new();
            for (first, count, beside) in blocks {
                for i in 0..count {
                    let (visitor, day) = (first + i, today + beside);
                    records.push((i, seen(visitor, day * DAY + place * HOUR)));
                    let last = last_days.entry(visitor).or_insert(day);
                    *last = day.max(*last);
                }
            }
            // Blocks take turns.
            records.sort_by_key(|(turn, _)| *turn);
            let records = records.into_iter().map(|(_, record)| record);
            let records: Vec<_> = records.chain((0..3).map(|_| tick(today * DAY))).collect();
            records.iter().for_each(|record| { calm.push(record); shaken.push(record) });
            let due = today - i64::from(IDLE_DAYS);
            last_days.retain(|_, last| *last >= due);
            if !rests {
                continue;
            }
            calm.run();
            shaken.run_shaken(&breaks);
            let left: Vec<String> = last_days.keys().map(|v| format!("u/u{v}")).collect();
            let stored = shaken.keys().into_iter().filter(|key| key.starts_with("u/"));
            let stored: std::collections::BTreeSet<&str> = stored.collect();
            prop_assert_eq!(stored, left.iter().map(String::as_str).collect());
            prop_assert_eq!(calm.store(), shaken.store());
        }
        today += 100;
        shaken.push(&tick(today * DAY));
        shaken.run();
        prop_assert_eq!(shaken.keys(), Vec::<&str>::new());
    }
}

/// What the last release left: its buckets, and how far it had come with them.
#[test]
fn buckets_of_the_last_release_still_expire() {
    let mut alone = forgetful();
    let day = (START / DAY) as u32;
    for shard in [0, 7, EXPIRY_SHARDS - 1] {
        for later in 0..2 {
            let names = (0..300).map(|i| format!("u/{shard}-{later}-{i}"));
            for name in names.clone() {
                let state = UserState {
                    last_ingest: IngestTime(START + i64::from(later) * DAY),
                    ..UserState::default()
                };
                alone.put(&name, &UserValue::State(Box::new(state)));
            }
            let keys = names.map(String::into_boxed_str).collect();
            let key = format!("~x/{}/{shard}", day + later);
            alone.put(&key, &UserValue::Expiry(keys));
        }
    }
    let task = TaskState {
        expiry_next: Some(day * EXPIRY_SHARDS),
        ..TaskState::NEW
    };
    alone.put(TaskState::KEY, &task);
    // One comes back and is in a bucket of this release.
    let mut back = live(view("back", "p", 2 * DAY));
    if let vitrina_types::record::UserRecord::Event(event) = &mut back.record {
        **event = by((**event).clone(), Some("7-1-5"), None);
    }
    alone.push(&back);
    for (days, want) in [(2, 1_800), (4, 900), (5, 1), (6, 0)] {
        (0..5).for_each(|_| alone.push(&tick(days * DAY)));
        alone.run();
        assert_eq!(visitors(&alone), want, "after {days} days");
        assert!(alone.task_state().expiry_next.is_some());
    }
    // There may have been buckets until a while after the first tick, not for ever.
    let until = 2 + EXPIRY_OLD_DAYS + IDLE_DAYS + 1;
    for (days, is_over) in [(until - 1, false), (until, true)] {
        (0..100).for_each(|_| alone.push(&tick(i64::from(days) * DAY)));
        alone.run();
        let next = alone.task_state().expiry_next;
        assert_eq!(next.is_none(), is_over, "{days}: {next:?}");
    }
    assert_eq!(alone.keys(), Vec::<&str>::new());
}
