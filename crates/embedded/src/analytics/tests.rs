//! The port's suite, and what is particular here: kills, damage, a full disk, bounded work, and
//! what a row costs.

use super::retain::RETAIN_BATCH;
use super::*;
use crate::crash::{MORE_THAN_ANY_DISK, damage, image, journal, names};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tempfile::TempDir;
use vitrina_ports::suite::{Durable, Subject};
use vitrina_types::event::KindTag;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::row::{Measures, RowKey, TimeWindow, WindowRow};

mod flush;
mod kill;
mod panes;

fn options() -> AnalyticsOptions {
    AnalyticsOptions {
        reserve_bytes: 0,
        ..AnalyticsOptions::new(Box::new(|| Ok(())))
    }
}

/// Flushes all the time, by tables.
fn options_of_tables() -> AnalyticsOptions {
    AnalyticsOptions {
        waiting_bytes_max: 1_000,
        bulk_bytes_min: 0,
        ..options()
    }
}

fn open(dir: &TempDir) -> Result<EmbeddedAnalytics, PortError> {
    EmbeddedAnalytics::open(dir.path(), options())
}

fn subject() -> impl Subject<Port = EmbeddedAnalytics> {
    let dir = tempfile::tempdir().unwrap();
    Durable(move || open(&dir), EmbeddedAnalytics::close)
}

vitrina_ports::analytics_store_suite!(subject());

/// The same where every flush goes past the journal.
mod by_tables {
    use super::*;

    fn subject() -> impl Subject<Port = EmbeddedAnalytics> {
        let dir = tempfile::tempdir().unwrap();
        let open = move || EmbeddedAnalytics::open(dir.path(), options_of_tables());
        Durable(open, EmbeddedAnalytics::close)
    }

    vitrina_ports::analytics_store_suite!(subject());
}

const HERE: Partition = Partition(7);
const TEN_MINUTES: i64 = 600_000;

fn row(id: &str, start: i64, length_ms: i64, pane: u32, views: u64) -> WindowRow {
    let mut measures = Measures::default();
    for visitor in 0..views {
        let value = Amount::from_units(9.99).ok().map(|a| (Currency::USD, a));
        measures.add(KindTag(0), value, Some((visitor + 1) << 40));
    }
    WindowRow {
        key: RowKey::new(Dimension::Product, id),
        window: TimeWindow {
            start: EventTime(start),
            end: EventTime(start + length_ms),
        },
        part: 0,
        pane,
        measures,
    }
}

fn upsert(expected: Option<Offset>, next: Offset, rows: Vec<WindowRow>) -> Upsert {
    Upsert {
        partition: HERE,
        expected,
        next,
        rows,
    }
}

fn query(id: Option<&str>, limit: usize) -> RowQuery {
    RowQuery {
        dimension: Dimension::Product,
        id: id.map(str::to_owned),
        from: EventTime(i64::MIN),
        to: EventTime(i64::MAX),
        window_ms: None,
        after: None,
        limit,
    }
}

/// Position, and ids of all rows by period.
fn left(analytics: &EmbeddedAnalytics) -> (Option<Offset>, Vec<String>) {
    let page = analytics.core.rows(&query(None, 1_000)).unwrap();
    (analytics.core.position(HERE).unwrap(), ids(&page))
}

fn ids(page: &RowPage) -> Vec<String> {
    let ids = page.rows.iter().map(|row| row.key.id.to_string());
    ids.collect()
}

/// How many keys there are, by keyspace.
fn stored_keys(analytics: &EmbeddedAnalytics) -> [usize; 3] {
    let counts = analytics.core.kv.read(|opened| {
        let len = |at: usize| opened.keyspaces[at].len().unwrap();
        Ok([ROWS, PERIODS, POSITIONS].map(len))
    });
    counts.unwrap()
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[test]
fn a_kill_leaves_every_flush_and_a_torn_one_is_gone_whole() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    for (expected, next, id) in [(None, 10, "a"), (Some(10), 20, "b"), (Some(20), 30, "c")] {
        let rows = vec![
            row(id, 0, TEN_MINUTES, 0, 1),
            row("same", 0, TEN_MINUTES, next as u32, next),
        ];
        analytics
            .core
            .upsert(&upsert(expected, next, rows))
            .unwrap();
        analytics.flush().unwrap();
    }
    let lost = vec![row("lost", 0, TEN_MINUTES, 0, 1)];
    analytics.core.upsert(&upsert(Some(30), 40, lost)).unwrap();
    let killed = image(dir.path());
    let after = open(&killed).unwrap();
    assert_eq!(left(&after), (Some(30), strings(&["a", "b", "c", "same"])));
    assert!(!after.rebuilt());

    // The tail that a power cut takes is the flush with its positions.
    let torn = image(dir.path());
    damage(&journal(&torn.path().join(DIR)), &keys::encode_position(30));
    let after = open(&torn).unwrap();
    assert_eq!(left(&after), (Some(20), strings(&["a", "b", "same"])));
    assert!(!after.rebuilt());
    let again = vec![row("c", 0, TEN_MINUTES, 0, 1)];
    after.core.upsert(&upsert(Some(20), 30, again)).unwrap();
    assert_eq!(left(&after), (Some(30), strings(&["a", "b", "c", "same"])));
}

#[test]
fn damage_is_moved_aside_and_there_is_no_position() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let rows = vec![row("a", 0, TEN_MINUTES, 0, 1)];
    analytics.core.upsert(&upsert(None, 9, rows)).unwrap();
    analytics.close().unwrap();
    drop(analytics);
    std::fs::remove_file(dir.path().join(DIR).join("version")).unwrap();
    let analytics = open(&dir).unwrap();
    assert!(analytics.rebuilt());
    assert_eq!(left(&analytics), (None, strings(&[])));
    assert_eq!(names(dir.path()), ["analytics", "analytics.damaged-1"]);
}

#[test]
fn below_the_reserve_an_upsert_is_refused_whole() {
    let dir = tempfile::tempdir().unwrap();
    let first = vec![row("a", 0, TEN_MINUTES, 0, 1)];
    let analytics = open(&dir).unwrap();
    analytics.core.upsert(&upsert(None, 1, first)).unwrap();
    analytics.close().unwrap();
    let full = AnalyticsOptions {
        reserve_bytes: MORE_THAN_ANY_DISK,
        ..options()
    };
    let analytics = EmbeddedAnalytics::open(dir.path(), full).unwrap();
    let more = vec![row("b", 0, TEN_MINUTES, 0, 1)];
    let refused = analytics
        .core
        .upsert(&upsert(Some(1), 2, more))
        .unwrap_err();
    assert!(matches!(refused, PortError::Full { .. }), "{refused:?}");
    assert_eq!(left(&analytics), (Some(1), strings(&["a"])));
    assert!(!analytics.needs_reopen());
}

#[test]
fn a_reopening_finds_the_position_and_a_close_ends_all() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let rows = vec![row("a", 0, TEN_MINUTES, 0, 1)];
    analytics.core.upsert(&upsert(None, 1, rows)).unwrap();
    analytics.reopen().unwrap();
    analytics
        .core
        .upsert(&upsert(Some(1), 2, Vec::new()))
        .unwrap();
    analytics.sync().unwrap();
    analytics.close().unwrap();
    let late = [
        analytics.core.upsert(&upsert(Some(2), 3, Vec::new())),
        analytics.core.position(HERE).map(|_| ()),
        analytics.core.rows(&query(None, 1)).map(|_| ()),
        analytics.sync(),
        analytics.core.retain(EventTime(0)).map(|_| ()),
        analytics.reopen(),
    ];
    for late in late {
        assert!(matches!(late, Err(PortError::Closed { .. })), "{late:?}");
    }
    analytics.close().unwrap();
}

#[test]
fn retention_leaves_nothing_behind_and_takes_more_than_a_batch() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let core = &analytics.core;
    let mut position = None;
    assert_eq!(RETAIN_BATCH, 5_000);
    for round in 0..3_u64 {
        // Every third is without measures; all begin within ten moments.
        let rows = (0..4_000_i64).map(|n| {
            let id = format!("{round}-{n}");
            row(&id, n % 10, TEN_MINUTES, 0, n as u64 % 3)
        });
        core.upsert(&upsert(position, round, rows.collect()))
            .unwrap();
        position = Some(round);
    }
    assert_eq!(core.retain(EventTime(5)).unwrap(), 6_000);
    assert_eq!(core.retain(EventTime(5)).unwrap(), 0);
    let late = vec![row("late", 2, TEN_MINUTES, 0, 1)];
    core.upsert(&upsert(position, 9, late)).unwrap();
    assert_eq!(
        core.rows(&query(None, 1)).unwrap().rows[0].key.id,
        "late".into()
    );
    assert_eq!(core.retain(EventTime(i64::MAX)).unwrap(), 6_001);
    assert_eq!(stored_keys(&analytics), [0, 0, 1]);
}

/// Few rows among many of another length, and many that are gone: no call does it all, and
/// together they answer every row.
#[test]
fn the_work_of_a_page_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let core = &analytics.core;
    let mut position = None;
    let mut keep = |rows: Vec<WindowRow>| {
        let next = position.map_or(0, |at: Offset| at + 1);
        core.upsert(&upsert(position, next, rows)).unwrap();
        position = Some(next);
    };
    for hour in 0..3_i64 {
        let start = hour * 3_600_000;
        let gone = (0..9_000).map(|n| row(&format!("{n:05}"), start, TEN_MINUTES, 1, 0));
        keep(gone.collect());
        keep(vec![row("hour", start, 3_600_000, 0, 1)]);
    }
    let read = |window_ms| {
        let mut query = RowQuery {
            window_ms,
            ..query(None, 10)
        };
        let (mut rows, mut calls) = (0, 0);
        loop {
            let page = core.rows(&query).unwrap();
            rows += page.rows.len();
            calls += 1;
            if page.next.is_none() {
                return (rows, calls);
            }
            query.after = page.next;
        }
    };
    assert_eq!(read(None), (3, 3), "27,000 rows passed, 10,000 a call");
    assert_eq!(read(Some(3_600_000)), (3, 1), "sought, not passed");
    assert_eq!(read(Some(TEN_MINUTES)), (0, 3));
}

/// Not a test but a figure: `cargo test --release -p vitrina-embedded upserts_a_second -- --ignored
/// --nocapture`.
#[test]
#[ignore = "measures"]
fn upserts_a_second() {
    const BATCH: usize = 1_000;
    const ROWS_ALL: u64 = 500_000;
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let core = &analytics.core;
    let mut position = None;
    for pane in 0..3_u32 {
        let started = Instant::now();
        for first in (0..ROWS_ALL).step_by(BATCH) {
            let rows = (first..first + BATCH as u64).map(|n| {
                let start = (n / 5_000) as i64 * TEN_MINUTES;
                let id = 1_000_000 + n % 5_000;
                row(&id.to_string(), start, TEN_MINUTES, pane, 1 + n % 4)
            });
            let next = position.map_or(0, |at: Offset| at + 1);
            core.upsert(&upsert(position, next, rows.collect()))
                .unwrap();
            position = Some(next);
        }
        let taken = started.elapsed();
        analytics.flush().unwrap();
        let [taken, written] =
            [taken, started.elapsed()].map(|time| time.as_secs_f64() * 1e6 / ROWS_ALL as f64);
        println!("pane {pane}: {written:.2} us a row written, {taken:.2} until the last flush");
    }
    let (started, mut rows, mut one) = (Instant::now(), 0, query(None, 10_000));
    loop {
        let page = core.rows(&one).unwrap();
        rows += page.rows.len();
        if page.next.is_none() {
            break;
        }
        one.after = page.next;
    }
    let rate = rows as f64 / started.elapsed().as_secs_f64();
    println!("all keys of a period: {rate:.0} rows/s of {rows}");
    let (started, mut rows) = (Instant::now(), 0);
    for id in 0..2_000 {
        let id = (1_000_000 + id).to_string();
        rows += core.rows(&query(Some(&id), 10_000)).unwrap().rows.len();
    }
    let ms = started.elapsed().as_secs_f64() * 1_000.0 / 2_000.0;
    println!("one key over time: {ms:.3} ms for {} rows", rows / 2_000);
    let started = Instant::now();
    let forgotten = core.retain(EventTime(i64::MAX)).unwrap();
    let rate = forgotten as f64 / started.elapsed().as_secs_f64();
    println!("retention: {rate:.0} rows/s");
}
