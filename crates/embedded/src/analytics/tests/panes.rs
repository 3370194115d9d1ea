//! Several stored panes of one row, and rows that an older release stored.

use super::super::waiting::Batches;
use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_ports::analytics::RowCursor;
use vitrina_types::stored;

/// What counts, kept the plain way.
type Oracle = BTreeMap<(Dimension, RowCursor), WindowRow>;

/// Keeps the newest pane, of equal ones the first.
fn keep(oracle: &mut Oracle, row: &WindowRow) {
    let place = (row.key.dimension, RowCursor::of(row));
    let held = oracle.entry(place).or_insert_with(|| row.clone());
    if held.pane < row.pane {
        *held = row.clone();
    }
}

/// Stores rows as releases before panes were part of the key did.
fn store_as_before(analytics: &EmbeddedAnalytics, oracle: &Oracle) {
    let written =
        analytics
            .core
            .kv
            .write(Room::Frees, fjall::PersistMode::Buffer, |opened, batch| {
                for ((dimension, place), row) in oracle {
                    let value = stored::encode(row);
                    let told = match row.measures.is_empty() {
                        true => &[],
                        false => &value[..],
                    };
                    let [key, by_period] =
                        [keys::by_key, keys::by_period].map(|f| f(*dimension, place));
                    batch.insert(&opened.keyspaces[PERIODS], by_period, told);
                    batch.insert(&opened.keyspaces[ROWS], key, value);
                }
                Ok(())
            });
    written.unwrap();
}

#[derive(Debug, Clone)]
enum Step {
    Upsert(Vec<WindowRow>),
    Flush,
    Retain(i64),
    Restart,
}

fn rows() -> impl Strategy<Value = Vec<WindowRow>> {
    let ids = prop_oneof![Just("a"), Just("a\0"), Just("ab"), Just("")];
    let lengths = prop_oneof![Just(10_i64), Just(20)];
    let row = (
        ids,
        0..3_i64,
        lengths,
        0..2_u64,
        0..4_u32,
        0..3_u64,
        any::<bool>(),
    );
    let row = row.prop_map(|(id, start, length_ms, part, pane, views, is_session)| {
        let mut row = super::row(id, start * 10, length_ms, pane, views);
        row.part = part;
        if is_session {
            row.key.dimension = Dimension::Session;
        }
        row
    });
    vec(row, 0..12)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => rows().prop_map(Step::Upsert),
        3 => Just(Step::Flush),
        1 => (-5..35_i64).prop_map(Step::Retain),
        1 => Just(Step::Restart),
    ];
    vec(step, 0..14)
}

/// All pages of this size, joined.
fn read(analytics: &EmbeddedAnalytics, mut query: RowQuery) -> Vec<WindowRow> {
    let mut found = Vec::new();
    loop {
        let page = analytics.core.rows(&query).unwrap();
        assert!(page.rows.len() <= query.limit);
        found.extend(page.rows);
        match page.next {
            None => return found,
            next => {
                assert!(next > query.after, "no way forward");
                query.after = next;
            }
        }
    }
}

fn check(analytics: &EmbeddedAnalytics, oracle: &Oracle) {
    for dimension in [Dimension::Product, Dimension::Session] {
        for id in [None, Some("a"), Some("")] {
            for window_ms in [None, Some(20)] {
                for limit in [1, 3, 1_000] {
                    let query = RowQuery {
                        dimension,
                        window_ms,
                        ..query(id, limit)
                    };
                    let want = oracle.values().filter(|row| query.admits(row));
                    let want = want.filter(|row| !row.measures.is_empty());
                    let want: Vec<_> = want.cloned().collect();
                    assert_eq!(read(analytics, query.clone()), want, "{query:?}");
                }
            }
        }
    }
}

fn run(by_tables: bool, before: &[WindowRow], steps: &[Step]) {
    let dir = tempfile::tempdir().unwrap();
    let options = || AnalyticsOptions {
        bulk_bytes_min: if by_tables { 0 } else { usize::MAX },
        waiting_bytes_max: 1_500,
        ..options()
    };
    let mut analytics = EmbeddedAnalytics::open(dir.path(), options()).unwrap();
    let mut oracle = Oracle::new();
    before.iter().for_each(|row| keep(&mut oracle, row));
    store_as_before(&analytics, &oracle);
    let mut position = None;
    for step in steps {
        match step {
            Step::Upsert(rows) => {
                rows.iter().for_each(|row| keep(&mut oracle, row));
                let next = position.map_or(0, |at: Offset| at + 1);
                let rows = upsert(position, next, rows.clone());
                analytics.core.upsert(&rows).unwrap();
                position = Some(next);
            }
            Step::Flush => analytics.flush().unwrap(),
            Step::Retain(before) => {
                let count = oracle.len();
                oracle.retain(|(_, place), _| place.window.start.0 >= *before);
                let forgotten = analytics.core.retain(EventTime(*before)).unwrap();
                assert_eq!(forgotten, (count - oracle.len()) as u64);
            }
            Step::Restart => {
                analytics.close().unwrap();
                drop(analytics);
                analytics = EmbeddedAnalytics::open(dir.path(), options()).unwrap();
            }
        }
        assert_eq!(analytics.core.position(HERE).unwrap(), position);
    }
    check(&analytics, &oracle);
    let count = oracle.len() as u64;
    assert_eq!(analytics.core.retain(EventTime(i64::MAX)).unwrap(), count);
    let positions = usize::from(position.is_some());
    assert_eq!(stored_keys(&analytics), [0, 0, positions]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever the order, the flushes between and the way they go, and whatever an older release
    /// has left: the newest pane counts, of equal ones the first, and nothing stays behind.
    #[test]
    fn the_newest_pane_counts(by_tables in any::<bool>(), before in rows(), steps in steps()) {
        run(by_tables, &before, &steps);
    }
}

/// A row of an older release against panes that came after: in both layouts, from either side.
#[test]
fn a_row_of_an_older_release_counts_by_its_pane() {
    #[rustfmt::skip]
    let cases = [
        // (name, (pane, views) before, (pane, views) after, views answered)
        ("a later one replaces it",      (1, 1), (2, 2), Some(2)),
        ("an older one does not",        (2, 1), (1, 2), Some(1)),
        ("of equal ones it was first",   (1, 1), (1, 2), Some(1)),
        ("taken back",                   (1, 1), (2, 0), None),
        ("taken back before",            (2, 0), (1, 2), None),
        ("taken back before, as late",   (2, 0), (2, 2), None),
        ("there again",                  (2, 0), (3, 3), Some(3)),
    ];
    for options in [options, options_of_tables] {
        for (name, before, after, want) in cases {
            let dir = tempfile::tempdir().unwrap();
            let analytics = EmbeddedAnalytics::open(dir.path(), options()).unwrap();
            let [before, after] =
                [before, after].map(|(pane, views)| row("a", 0, TEN_MINUTES, pane, views));
            let mut oracle = Oracle::new();
            keep(&mut oracle, &before);
            // Neighbours, to see that nothing of theirs is taken for the row's.
            keep(&mut oracle, &row("a\0", 0, TEN_MINUTES, 7, 7));
            store_as_before(&analytics, &oracle);
            analytics
                .core
                .upsert(&upsert(None, 1, vec![after]))
                .unwrap();
            for id in [None, Some("a")] {
                let mut found = read(&analytics, query(id, 1));
                found.retain(|row| &*row.key.id == "a");
                let views = found.iter().map(|row| row.measures.events.of("view"));
                assert!(views.eq(want), "{name}, {id:?}");
            }
            assert_eq!(analytics.core.retain(EventTime(1)).unwrap(), 2, "{name}");
            assert_eq!(stored_keys(&analytics), [0, 0, 1], "{name}");
        }
    }
}

/// Panes that come in order take no more room than the last of them, and out of order no older
/// one comes up.
#[test]
fn a_later_pane_removes_the_ones_before() {
    for options in [options, options_of_tables] {
        let dir = tempfile::tempdir().unwrap();
        let analytics = EmbeddedAnalytics::open(dir.path(), options()).unwrap();
        let mut position = None;
        let mut keep = |pane| {
            let next = position.map_or(0, |at| at + 1);
            let rows =
                ["a", "a\0", "b"].map(|id| row(id, 0, TEN_MINUTES, pane, 1 + u64::from(pane)));
            let rows = upsert(position, next, rows.into());
            analytics.core.upsert(&rows).unwrap();
            analytics.flush().unwrap();
            position = Some(next);
        };
        (0..5).for_each(&mut keep);
        assert_eq!(stored_keys(&analytics), [3, 3, 1]);
        [2, 3, 1].into_iter().for_each(&mut keep);
        let page = analytics.core.rows(&query(None, 9)).unwrap();
        assert!(page.rows.iter().all(|row| row.pane == 4), "{page:?}");
        keep(5);
        assert_eq!(stored_keys(&analytics), [3, 3, 1]);
    }
}

/// More panes than a call passes: its page ends behind them, and no older one is on the next.
#[test]
fn a_page_ends_behind_all_panes_of_a_row() {
    let dir = tempfile::tempdir().unwrap();
    let analytics = open(&dir).unwrap();
    let core = &analytics.core;
    const PANES: u32 = 10_050;
    core.upsert(&upsert(None, 1, vec![row("b", 0, TEN_MINUTES, 0, 1)]))
        .unwrap();
    analytics.flush().unwrap();
    let written = core
        .kv
        .write(Room::Frees, fjall::PersistMode::Buffer, |opened, batch| {
            for pane in 0..PANES {
                let rows = [row("a", 0, TEN_MINUTES, pane, 1)];
                let stored = Batches::from(Batch::of(&rows, 7));
                for (key, value) in stored.newest().by_key() {
                    batch.insert(&opened.keyspaces[ROWS], key, value);
                    let key = core.turned(keys::Layout::ByKey, key)?;
                    batch.insert(&opened.keyspaces[PERIODS], key, value);
                }
            }
            Ok(())
        });
    written.unwrap();
    let first = core.rows(&query(None, 9)).unwrap();
    let panes = |page: &RowPage| page.rows.iter().map(|row| row.pane).collect::<Vec<_>>();
    assert_eq!(panes(&first), [PANES - 1]);
    let second = RowQuery {
        after: Some(first.next.unwrap()),
        ..query(None, 9)
    };
    assert_eq!(panes(&core.rows(&second).unwrap()), [0]);
    assert_eq!(core.retain(EventTime(1)).unwrap(), 2);
    assert_eq!(stored_keys(&analytics), [0, 0, 1]);
}
