//! Open sessions against ones loaded just now, and what of them is stored.

use super::*;
use std::collections::BTreeMap;
use vitrina_types::event::KindTag;
use vitrina_types::time::Watermark;

type Rows = Vec<(String, TimeWindow, u32, u64)>;

fn due(open: &mut Open, clock: Clock, mut left: usize) -> (Rows, bool) {
    let mut rows = Rows::new();
    let more = open.take_due(clock, &mut left, |name, told| {
        let events = told.measures.events.total();
        rows.push((name.to_owned(), told.window, told.pane, events));
    });
    (rows, more)
}

/// Whatever the queue still holds of before: one that was loaded just now tells the same in
/// the same order, and stops at the same place.
#[test]
fn a_queue_that_lags_tells_the_same() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut open, mut stored) = (Open::default(), BTreeMap::new());
    let (mut told, mut stopped) = (0, 0);
    for step in 0..20_000 {
        let clock = Clock {
            lane: Lane::Live,
            progress: Progress {
                live: Watermark(step * 40),
                backfill: None,
            },
            grace_ms: 5_000,
        };
        let at = EventTime(step * 40 + next(8_000) as i64 - 5_000);
        let window = TimeWindow {
            start: at,
            end: at.plus_ms(9_000),
        };
        let view = |measures: &mut Measures| measures.add(KindTag(0), None, None);
        let name = format!("u/{}", next(60));
        let hash = xxh3_64(name.as_bytes());
        open.join((&name, hash), window, 0, clock, view, |_| ());
        open.take_changes("", &mut |key, value| match value {
            Some(value) => drop(stored.insert(key.to_owned(), value)),
            None => drop(stored.remove(key)),
        });
        let mut fresh = Open::default();
        if step % 20 == 0 {
            for (key, value) in &stored {
                fresh.load(key, value).unwrap();
            }
            assert_eq!(fresh.len(), open.len());
            let limit = next(8) as usize;
            let got = due(&mut open, clock, limit);
            assert_eq!(got, due(&mut fresh, clock, limit), "step {step}");
            told += got.0.len();
            stopped += usize::from(got.1);
        }
    }
    assert!(told > 500 && stopped > 100, "{told} told, {stopped} stops");
}

/// What is stored follows, and a visitor whose sessions all began and ended since the changes
/// were taken last is not among them: neither as there nor as gone, nor in memory.
#[test]
fn what_comes_and_goes_between_commits_is_never_stored() {
    let (mut open, mut stored) = (Open::default(), BTreeMap::new());
    let mut handed = 0;
    for round in 0..50i64 {
        for step in 0..200 {
            let at = EventTime((round * 200 + step) * 1_000);
            let clock = Clock {
                lane: Lane::Live,
                progress: Progress {
                    live: Watermark(at.0),
                    backfill: None,
                },
                grace_ms: 1_000,
            };
            let window = TimeWindow {
                start: at,
                end: at.plus_ms(5_000),
            };
            // One name comes back all the time, and places are taken over.
            for name in [format!("u/{at:?}"), format!("a/{}", step % 20)] {
                let hash = xxh3_64(name.as_bytes());
                let view = |measures: &mut Measures| measures.add(KindTag(0), None, None);
                open.join((&name, hash), window, 0, clock, view, |_| ());
            }
            due(&mut open, clock, usize::MAX);
        }
        let mut named = std::collections::BTreeSet::new();
        open.take_changes("", &mut |key, value| {
            handed += 1;
            assert!(named.insert(key.to_owned()), "{key} twice");
            match value {
                Some(value) => drop(stored.insert(key.to_owned(), value)),
                None => assert!(stored.remove(key).is_some(), "{key} was never stored"),
            }
        });
        assert_eq!(stored.len(), open.index.len());
        assert!(
            open.visitors.places() <= 30,
            "{} places",
            open.visitors.places()
        );
    }
    assert!(handed < 50 * 30, "{handed} changes");
}
