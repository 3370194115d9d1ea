//! Windows, gathering, and the row stage by itself.

use crate::make::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::driver::Driver;
use vitrina_stream::{
    FINISHED, Gather, Lane, LineStage, Operator, Partials, ProductOptions, ROWS_PER_RECORD,
    Resident, RowStage, Task, UserOptions, Windowing,
};
use vitrina_types::event::KindTag;
use vitrina_types::partition::Partition;
use vitrina_types::record::{RowEnvelope, RowRecord, Upstream};
use vitrina_types::row::{Dimension, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime, Progress, Watermark};
use vitrina_types::topic::Topic;

proptest! {
    /// The windows of a moment are exactly those of the grid that contain it.
    #[test]
    fn a_moment_lies_in_every_window_of_it(
        at in -(1i64 << 60)..1 << 60,
        step_ms in 1i64..1 << 40,
        (times, rest) in (1i64..30, 0.0..1.0),
    ) {
        let rest_ms = (rest * step_ms as f64) as i64;
        let at = EventTime(at);
        for length_ms in [times * step_ms, times * step_ms + rest_ms] {
            let windows: Vec<_> = Windowing::Hopping { length_ms, step_ms }.windows_of(at).collect();
            prop_assert!(windows.iter().all(|w| w.contains(at) && w.length_ms() == length_ms));
            prop_assert!(windows.iter().all(|w| w.start.0.rem_euclid(step_ms) == 0));
            prop_assert!(windows.windows(2).all(|two| two[1].start.since_ms(two[0].start) == step_ms));
            let (first, last) = (windows[0], windows[windows.len() - 1]);
            prop_assert!(first.end.plus_ms(-step_ms) <= at && last.start.plus_ms(step_ms) > at);
            prop_assert_eq!(Windowing::Hopping { length_ms, step_ms }.newest_of(at), last);
            if length_ms == times * step_ms {
                prop_assert_eq!(windows.len() as i64, times);
            }
        }
    }

    /// Hopping by its own length is tumbling.
    #[test]
    fn hopping_by_its_length_is_tumbling(at in any::<i64>(), length_ms in any::<i64>()) {
        let at = EventTime(at);
        let tumbling = Windowing::Tumbling { length_ms };
        let hopping = Windowing::Hopping { length_ms, step_ms: length_ms };
        let windows: Vec<_> = tumbling.windows_of(at).collect();
        prop_assert_eq!(windows.len(), 1);
        prop_assert_eq!(windows[0], tumbling.newest_of(at));
        prop_assert!(hopping.windows_of(at).eq(windows));
    }
}

#[test]
fn window_cases() {
    let hopping = |length_ms, step_ms| Windowing::Hopping { length_ms, step_ms };
    #[rustfmt::skip]
    let cases: &[(&str, Windowing, i64, &[(i64, i64)])] = &[
        ("first moment",    Windowing::Tumbling { length_ms: 10 },  20, &[(20, 30)]),
        ("last moment",     Windowing::Tumbling { length_ms: 10 },  29, &[(20, 30)]),
        ("before 1970",     Windowing::Tumbling { length_ms: 10 },  -1, &[(-10, 0)]),
        ("hopping",         hopping(10, 5),                         12, &[(5, 15), (10, 20)]),
        ("no multiple",     hopping(10, 4),                         11, &[(4, 14), (8, 18)]),
        ("no multiple, 3",  hopping(10, 4),                          9, &[(0, 10), (4, 14), (8, 18)]),
        ("between windows", hopping(3, 10),                          5, &[]),
        ("no length",       Windowing::Tumbling { length_ms: 0 },    5, &[(5, 6)]),
    ];
    for (name, windowing, at, want) in cases {
        let windows = windowing.windows_of(EventTime(*at));
        let got: Vec<_> = windows.map(|w| (w.start.0, w.end.0)).collect();
        assert_eq!(&got, want, "{name}");
    }
}

/// Number of a task, of how many, live, backfill.
type Told = (u16, u16, i64, Option<i64>);

fn upstream((from, of, live, backfill): Told) -> Upstream {
    Upstream {
        from,
        of,
        progress: progress(live, backfill),
    }
}

fn progress(live: i64, backfill: Option<i64>) -> Progress {
    Progress {
        live: Watermark(live),
        backfill: backfill.map(Watermark),
    }
}

const NONE: i64 = Watermark::NONE.0;
const END: i64 = FINISHED.0;

#[test]
fn gather_cases() {
    let all = |live: i64| (0..32).map(move |from| (from, 0, live + i64::from(from), None));
    let with = |more: &[Told]| all(100).chain(more.iter().copied()).collect::<Vec<_>>();
    let only = |told: &[Told]| told.to_vec();
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<Told>, Progress)> = vec![
        ("nobody",                 only(&[]),                                                       progress(NONE, None)),
        ("the slowest",            with(&[]),                                                       progress(100, None)),
        ("a silent one",           all(100).skip(1).collect(),                                      progress(NONE, None)),
        ("one down for an hour",   with(&[(7, 0, 100 - HOUR, None)]),                               progress(100, None)),
        ("it was down before",     [(0, 0, 5, None)].into_iter().chain(all(100).skip(1)).collect(), progress(5, None)),
        ("a file holds nothing",   with(&[(32, 1, NONE, None)]),                                    progress(100, None)),
        ("one loads",              with(&[(3, 0, 103, Some(7))]),                                   progress(100, Some(7))),
        ("two load",               with(&[(3, 0, 103, Some(7)), (4, 0, 104, Some(5))]),             progress(100, Some(5))),
        ("no way back",            with(&[(3, 0, 103, Some(7)), (3, 0, 103, Some(5))]),             progress(100, Some(7))),
        ("one has loaded",         with(&[(3, 0, 103, Some(7)), (3, 0, 103, None)]),                progress(100, None)),
        ("one begins anew",        with(&[(3, 0, 9, Some(7)), (3, 0, 9, None), (3, 0, 9, Some(2))]), progress(100, Some(2))),
        ("of two files one spoke", only(&[(32, 2, NONE, Some(7))]),                                 progress(NONE, Some(NONE))),
        ("both spoke",             only(&[(32, 2, NONE, Some(7)), (33, 2, NONE, Some(9))]),         progress(NONE, Some(7))),
        ("one at its end",         only(&[(32, 2, NONE, Some(END)), (33, 2, NONE, Some(9))]),       progress(NONE, Some(9))),
        ("both at their end",      only(&[(32, 2, NONE, Some(END)), (33, 2, NONE, Some(END))]),     progress(NONE, Some(END))),
        ("another file",           only(&[(32, 1, NONE, Some(END)), (32, 1, NONE, Some(4))]),       progress(NONE, Some(4))),
    ];
    for (name, told, want) in cases {
        let mut gather = Gather::default();
        for one in told {
            gather.hear(&upstream(one), 1);
        }
        assert_eq!(gather.minimum(), want, "{name}");
    }
}

/// What is told on is news: a step of the live watermark, or anything of old data.
#[test]
fn gather_tells_news() {
    let mut gather = Gather::default();
    for from in 0..31 {
        assert_eq!(gather.hear(&upstream((from, 0, 0, None)), 1_000), None);
    }
    let mut hear = |live, backfill| gather.hear(&upstream((31, 0, live, backfill)), 1_000);
    assert_eq!(hear(-500, None), Some(progress(-500, None)));
    assert_eq!(hear(499, None), None);
    let begun = progress(0, Some(5));
    assert_eq!(hear(700, Some(5)), Some(begun));
    assert_eq!(hear(700, Some(5)), None);
    assert_eq!(hear(700, Some(6)), Some(progress(0, Some(6))));
    assert_eq!(hear(700, None), Some(progress(0, None)));
    for from in 0..32 {
        let told = gather.hear(&upstream((from, 0, 1_000, None)), 1_000);
        assert_eq!(told.is_some(), from == 31, "task {from}");
    }
}

fn enveloped(backfill: bool, record: RowRecord) -> RowEnvelope {
    RowEnvelope {
        ingest_time: IngestTime(START),
        backfill,
        record,
    }
}

fn views(count: u64) -> Box<Measures> {
    let mut measures = Measures::default();
    let view = KindTag::of("view").unwrap();
    (0..count).for_each(|_| measures.add(view, None, Some(7 << 40)));
    Box::new(measures)
}

fn part(key: &RowKey, ms: i64, backfill: bool) -> RowEnvelope {
    let (key, at) = (key.clone(), EventTime(START + ms));
    let measures = views(1);
    enveloped(backfill, RowRecord::Part { key, at, measures })
}

fn reached(live: i64, backfill: Option<i64>) -> RowEnvelope {
    let live = Watermark(START.saturating_add(live));
    let backfill = backfill.map(|ms| Watermark(START + ms));
    enveloped(false, RowRecord::Reached(Progress { live, backfill }))
}

/// (part, pane, views) of everything told since `from` rows were.
fn told(driver: &Driver, from: usize) -> Vec<(u64, u32, u64)> {
    let rows: Vec<WindowRow> = driver.decoded(Topic::WindowRows);
    let rows = rows[from..].iter();
    rows.map(|r| (r.part, r.pane, r.measures.events.of("view")))
        .collect()
}

/// A row is told when its window ends, again while its grace lasts, and later as another part.
#[test]
fn a_row_is_told_again_until_it_is_closed() {
    let key = RowKey::new(Dimension::Product, "p");
    #[rustfmt::skip]
    let steps: Vec<(&str, Vec<RowEnvelope>, Vec<(u64, u32, u64)>)> = vec![
        ("open",           vec![part(&key, 0, false), reached(10 * MINUTE - 1, None)],        vec![]),
        ("ended",          vec![part(&key, 9, false), reached(10 * MINUTE, None)],            vec![(0, 0, 2)]),
        ("no news",        vec![reached(11 * MINUTE, None)],                                  vec![]),
        ("within grace",   vec![part(&key, 9, false), reached(12 * MINUTE, None)],            vec![(0, 1, 3)]),
        ("closed at last", vec![part(&key, 9, false), reached(15 * MINUTE, None)],            vec![(0, 2, 4)]),
        ("behind it",      vec![part(&key, 9, false), part(&key, 9, false)],                  vec![]),
        ("told at once",   vec![reached(15 * MINUTE + 1, None)],                              vec![(10, 0, 2)]),
        ("old data",       vec![part(&key, 5, true), reached(16 * MINUTE, Some(0))],          vec![]),
        ("has its lane",   vec![part(&key, 5, true), reached(16 * MINUTE, Some(10 * MINUTE))], vec![(13, 0, 2)]),
        ("another part",   vec![part(&key, 5, true), reached(16 * MINUTE, None)],             vec![(17, 0, 1)]),
    ];
    let mut driver = Driver::default();
    for (name, records, want) in steps {
        let before = driver.records(Topic::WindowRows).count();
        records
            .iter()
            .for_each(|record| driver.pipe_in_rows(record));
        driver.run();
        assert_eq!(told(&driver, before), want, "{name}");
        // Starting again changes nothing.
        driver.crash();
    }
    driver.run();
    assert_eq!(driver.open(), [0, 0, 0]);
    let snapshot = driver.snapshot();
    let mut keys = snapshot.values().flat_map(|values| values.keys());
    assert!(keys.all(|key| !key.starts_with("~r/w/")));
}

#[test]
fn placements_have_longer_windows_besides() {
    let mut driver = Driver::default();
    driver.pipe_in_rows(&part(
        &RowKey::new(Dimension::Placement, "home"),
        7 * MINUTE,
        false,
    ));
    driver.pipe_in_rows(&part(
        &RowKey::new(Dimension::Brand, "b"),
        7 * MINUTE,
        false,
    ));
    driver.pipe_in_rows(&reached(DAY, None));
    driver.run();
    let rows: Vec<WindowRow> = driver.decoded(Topic::WindowRows);
    let of = |dimension, length_ms| {
        let rows = rows.iter();
        let rows =
            rows.filter(move |r| r.key.dimension == dimension && r.window.length_ms() == length_ms);
        let mut starts: Vec<_> = rows.map(|r| (r.window.start.0 - START) / MINUTE).collect();
        starts.sort_unstable();
        starts
    };
    assert_eq!(of(Dimension::Brand, 10 * MINUTE), [0]);
    assert_eq!(of(Dimension::Placement, 10 * MINUTE), [0]);
    let hopping: Vec<i64> = (-10..=1).map(|step| step * 5).collect();
    assert_eq!(of(Dimension::Placement, HOUR), hopping);
    assert_eq!(rows.len(), 14);
}

/// However many rows are due, one record tells a bounded number and all are told once, in order.
#[test]
fn more_rows_than_one_record_tells() {
    let count = 2 * ROWS_PER_RECORD + 7;
    let keys = (0..).map(|i| RowKey::new(Dimension::Product, format!("p{i}")));
    let same = keys.filter(|key| key.partition().0 == 5);
    let keys: Vec<RowKey> = same.take(count).collect();
    let mut driver = Driver::default().with_batch(count);
    for key in &keys {
        driver.pipe_in_rows(&part(key, 0, false));
    }
    driver.run();
    let mut driver = driver.with_batch(1);
    driver.pipe_in_rows(&reached(10 * MINUTE, None));
    while driver.step() {
        let told = driver.records(Topic::WindowRows).count();
        assert!(told == count || told % ROWS_PER_RECORD == 0, "{told} told");
        if told > 0 {
            driver.commit();
            driver.crash();
        }
    }
    driver.run();
    let signals: Vec<RowEnvelope> = driver.decoded(Topic::RowSignals);
    let continued = signals.iter().filter(|s| s.record == RowRecord::Continue);
    assert_eq!(continued.count(), 2);
    let rows: Vec<WindowRow> = driver.decoded(Topic::WindowRows);
    let mut sorted = keys;
    sorted.sort();
    assert!(rows.iter().map(|row| &row.key).eq(&sorted));

    // They are closed in as many records.
    driver.pipe_in_rows(&reached(DAY, None));
    driver.run();
    assert_eq!(driver.open(), [0, 0, 0]);
    assert_eq!(driver.records(Topic::WindowRows).count(), count);
}

/// Where the longer windows of placements are set as long as the others, a row is one all the same.
#[test]
fn a_window_counts_once_whatever_it_comes_of() {
    let mut options = ProductOptions::default();
    options.rows.placement_window_ms = options.rows.row_window_ms;
    let mut driver = Driver::new(UserOptions::default(), options);
    let key = RowKey::new(Dimension::Placement, "home");
    driver.pipe_in_rows(&part(&key, 7 * MINUTE, false));
    driver.pipe_in_rows(&reached(DAY, None));
    driver.run();
    let rows: Vec<WindowRow> = driver.decoded(Topic::WindowRows);
    let told = rows.iter().map(|row| {
        let start = (row.window.start.0 - START) / MINUTE;
        (start, row.pane, row.measures.events.of("view"))
    });
    assert_eq!(told.collect::<Vec<_>>(), [(0, 0, 1), (5, 0, 1)]);
}

/// Gives one record to a task without a store; answers what it sent to `topic`.
fn give<O: Operator>(task: &mut Task<O>, record: &[u8], topic: Topic) -> Vec<Vec<u8>> {
    let offset = task.position();
    for key in task.accept([(offset, record)].into_iter()) {
        task.load(key, None).unwrap();
    }
    task.process();
    let outputs = task.take_outputs().into_iter();
    let outputs = outputs.filter(|output| output.topic == topic);
    let records = outputs.flat_map(|o| o.records().map(<[u8]>::to_vec).collect::<Vec<_>>());
    records.collect()
}

/// What a task is still to tell does not wait for a record that was given up.
#[test]
fn telling_goes_on_where_its_record_was_given_up() {
    let count = 2 * ROWS_PER_RECORD + 1;
    let mut task = Task::new(RowStage::default(), Partition(5));
    for place in 0..count {
        let key = RowKey::new(Dimension::Product, format!("p{place}"));
        give(
            &mut task,
            &stored::encode(&part(&key, 0, false)),
            Topic::RowSignals,
        );
    }
    let time = |ms| stored::encode(&reached(ms, None));
    let next = give(&mut task, &time(10 * MINUTE), Topic::RowSignals);
    assert_eq!(next.len(), 1);
    task.give_up(task.position(), 3);
    assert_eq!(give(&mut task, &next[0], Topic::DeadLetters).len(), 1);
    let next = give(&mut task, &time(11 * MINUTE), Topic::RowSignals);
    assert_eq!(next.len(), 1, "another record is on its way");
    assert_eq!(give(&mut task, &next[0], Topic::WindowRows).len(), 1);
    assert!(!task.task_state().continues);
}

/// One line of a far future does not keep the rest of its file in memory.
#[test]
fn what_lies_behind_a_far_line_is_told_before_the_end() {
    const LINES: usize = 66_000;
    let line = |at: i64, of: usize| format!(r#"{{"ts":{at},"type":"view","product_id":"p{of}"}}"#);
    let mut task = Task::new(LineStage::default(), Partition(0));
    let mut told = 0;
    for (offset, at) in std::iter::once(DAY * 365_000 * 8)
        .chain((0..).map(|_| START))
        .enumerate()
        .take(LINES)
    {
        told += give(&mut task, line(at, offset).as_bytes(), Topic::RowSignals).len();
    }
    assert!(told > 60_000, "{told} told");
    for _ in 0..4 {
        told += give(&mut task, b"", Topic::RowSignals).len();
    }
    assert!(told >= LINES, "{told} told");
    assert_eq!(task.open(), 0);
}

proptest! {
    /// Old data in any order, with watermarks that promise anything: the parts add up.
    #[test]
    fn parts_of_old_data_add_up(
        steps in prop::collection::vec((0usize..3, 0i64..60, prop::option::of(0i64..60)), 1..60),
        crash_every in 1usize..20,
    ) {
        let mut driver = Driver::default().with_batch(3);
        let mut want = BTreeMap::<(RowKey, TimeWindow), u64>::new();
        for (place, (of, minute, told)) in steps.into_iter().enumerate() {
            let key = RowKey::new(Dimension::Product, format!("p{of}"));
            let record = part(&key, minute * MINUTE, true);
            let windowing = Windowing::Tumbling { length_ms: 10 * MINUTE };
            let window = windowing.newest_of(EventTime(START + minute * MINUTE));
            *want.entry((key, window)).or_default() += 1;
            driver.pipe_in_rows(&record);
            driver.pipe_in_rows(&reached(NONE, told.map(|minute| minute * MINUTE)));
            driver.step();
            if place % crash_every == 0 {
                driver.crash();
            }
        }
        driver.pipe_in_rows(&reached(NONE, None));
        driver.run();
        let mut newest = BTreeMap::new();
        for row in driver.decoded::<WindowRow>(Topic::WindowRows) {
            newest.insert((row.key, row.window, row.part), row.measures.events.of("view"));
        }
        let mut got = BTreeMap::<(RowKey, TimeWindow), u64>::new();
        for ((key, window, _), views) in newest {
            *got.entry((key, window)).or_default() += views;
        }
        prop_assert_eq!(got, want);
    }
}

proptest! {
    /// What is saved of sums is what is kept: each key once a commit, nothing of a sum that came
    /// and went between two, and whoever loads it tells the same.
    #[test]
    fn saved_sums_are_those_kept(
        steps in prop::collection::vec((0u8..7, 0usize..4, 0i64..30, any::<bool>()), 1..60),
    ) {
        let mut partials = Partials::default();
        let mut store = BTreeMap::<String, Vec<u8>>::new();
        let windowing = Windowing::Tumbling { length_ms: 10 * MINUTE };
        let view = KindTag::of("view").unwrap();
        let due = |minute: i64| Progress {
            live: Watermark(START + minute * MINUTE),
            backfill: Some(Watermark(START + minute * MINUTE)),
        };
        let told = |partials: &mut Partials, minute, limit| {
            let mut told = Vec::new();
            partials.take_due(due(minute), limit, |lane, window, product, cell| {
                told.push((lane, window, product, cell));
            });
            told
        };
        for (step, of, minute, is_old) in steps {
            match step {
                0 => {
                    let mut keys = std::collections::BTreeSet::new();
                    let mut fresh = true;
                    partials.take_changes(&mut |key, value| {
                        fresh &= keys.insert(key.to_owned());
                        assert!(key.len() <= 512);
                        match value {
                            Some(value) => store.insert(key.to_owned(), value),
                            // What was never stored needs not be removed.
                            None => Some(store.remove(key).unwrap()),
                        };
                    });
                    prop_assert!(fresh);
                    let mut loaded = Partials::default();
                    for (key, value) in store.iter().rev() {
                        loaded.load(key, value).unwrap();
                    }
                    prop_assert_eq!(loaded.open(), partials.open());
                    let mut again = Partials::default();
                    store.iter().for_each(|(key, value)| again.load(key, value).unwrap());
                    prop_assert_eq!(told(&mut loaded, 60, usize::MAX), told(&mut again, 60, usize::MAX));
                }
                1 => {
                    told(&mut partials, minute, 2);
                }
                _ => {
                    let window = windowing.newest_of(EventTime(START + minute * MINUTE));
                    let lane = Lane::of(is_old);
                    let id = product(&format!("p{of}"));
                    partials.add(lane, window, &id, || None, |m| m.add(view, None, None));
                }
            }
        }
        let mut taken = 0;
        partials.take_changes(&mut |key, value| {
            taken += 1;
            match value {
                Some(value) => store.insert(key.to_owned(), value),
                None => store.remove(key),
            };
        });
        prop_assert!(taken <= 48, "{} changes", taken);
        let mut loaded = Partials::default();
        store.iter().for_each(|(key, value)| loaded.load(key, value).unwrap());
        prop_assert_eq!(told(&mut loaded, 60, usize::MAX), told(&mut partials, 60, usize::MAX));
    }
}
