//! Rows and queries of the suite, and what a naive store would answer.

use super::super::{AnalyticsStore, PAGE_ROWS_MAX, RowCursor, RowQuery, Upsert};
use crate::PortError;
use crate::faulty::SplitMix64;
use crate::log::Offset;
use crate::suite::ok;
use std::collections::BTreeMap;
use vitrina_types::event::KindTag;
use vitrina_types::partition::Partition;
use vitrina_types::row::{Dimension, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::time::EventTime;

pub(super) const TEN_MINUTES: i64 = 600_000;
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const HERE: Partition = Partition(3);

pub(super) fn window(start: i64, length_ms: i64) -> TimeWindow {
    TimeWindow {
        start: EventTime(start),
        end: EventTime(start + length_ms),
    }
}

/// A ten-minute row of a product with so many views; none makes it a row without measures.
pub(super) fn row(id: &str, start: i64, pane: u32, views: u64) -> WindowRow {
    let mut measures = Measures::default();
    for visitor in 0..views {
        measures.add(KindTag(0), None, Some(visitor << 40));
    }
    WindowRow {
        key: RowKey::new(Dimension::Product, id),
        window: window(start, TEN_MINUTES),
        part: 0,
        pane,
        measures,
    }
}

pub(super) fn everything() -> RowQuery {
    RowQuery {
        dimension: Dimension::Product,
        id: None,
        from: EventTime(i64::MIN),
        to: EventTime(i64::MAX),
        window_ms: None,
        after: None,
        limit: PAGE_ROWS_MAX,
    }
}

pub(super) async fn upsert(
    store: &impl AnalyticsStore,
    expected: Option<Offset>,
    next: Offset,
    rows: &[WindowRow],
) -> Result<(), PortError> {
    let upsert = Upsert {
        partition: HERE,
        expected,
        next,
        rows: rows.to_vec(),
    };
    store.upsert(upsert).await
}

/// Keeps rows at whatever position the store stands.
pub(super) async fn keep(store: &impl AnalyticsStore, rows: &[WindowRow]) {
    let expected = position(store, HERE).await;
    let next = expected.unwrap_or(0) + 1;
    ok(upsert(store, expected, next, rows).await, "upsert");
}

pub(super) async fn position(store: &impl AnalyticsStore, partition: Partition) -> Option<Offset> {
    ok(store.position(partition).await, "position")
}

/// All pages joined; each is in order, within the limit and after the one before.
pub(super) async fn all(store: &impl AnalyticsStore, query: &RowQuery) -> Vec<WindowRow> {
    let (mut found, mut query) = (Vec::new(), query.clone());
    loop {
        let page = ok(store.rows(query.clone()).await, "rows");
        assert!(page.rows.len() <= query.limit, "over the limit");
        for row in page.rows {
            let place = RowCursor::of(&row);
            let last = found.last().map(RowCursor::of);
            assert!(last.is_none_or(|last| last < place), "out of order");
            found.push(row);
        }
        match page.next {
            None => return found,
            next => {
                assert!(next > query.after, "no way forward");
                query.after = next;
            }
        }
    }
}

/// Ids and views of all rows, in order.
pub(super) async fn views(store: &impl AnalyticsStore, query: &RowQuery) -> Vec<(String, u64)> {
    let rows = all(store, query).await;
    let views = rows.iter().map(|row| {
        let views = row.measures.events.of("view");
        (row.key.id.to_string(), views)
    });
    views.collect()
}

/// Rows that differ from each other in one thing only, with what tells them apart.
pub(super) fn alike() -> Vec<WindowRow> {
    let base = row("a", HOUR, 0, 1);
    let mut rows = vec![base.clone()];
    for dimension in Dimension::ALL {
        let key = RowKey::new(dimension, "a");
        rows.push(WindowRow {
            key,
            ..base.clone()
        });
    }
    // Ids that begin like each other, and what a sloppy key would take for a separator.
    for id in ["", "a\0", "a\0b", "aa", "ab", "a/", "б", "b"] {
        let key = RowKey::new(Dimension::Product, id);
        rows.push(WindowRow {
            key,
            ..base.clone()
        });
    }
    for (start, length_ms) in [(HOUR, HOUR), (0, TEN_MINUTES), (-HOUR, HOUR), (2 * HOUR, 1)] {
        let window = window(start, length_ms);
        rows.push(WindowRow {
            window,
            ..base.clone()
        });
    }
    for part in [1, 255, 256, u64::MAX] {
        rows.push(WindowRow {
            part,
            ..base.clone()
        });
    }
    rows
}

/// What a query is to answer, worked out from a list.
pub(super) fn expected(rows: &[WindowRow], query: &RowQuery) -> Vec<WindowRow> {
    let mut newest: BTreeMap<(Dimension, RowCursor), &WindowRow> = BTreeMap::new();
    for row in rows {
        let place = (row.key.dimension, RowCursor::of(row));
        let held = newest.entry(place).or_insert(row);
        if held.pane < row.pane {
            *held = row;
        }
    }
    let asked_for = newest.into_values().filter(|row| {
        let window = row.window;
        row.key.dimension == query.dimension
            && query.id.as_deref().is_none_or(|id| *id == *row.key.id)
            && query.from <= window.start
            && window.start < query.to
            && query.window_ms.is_none_or(|ms| ms == window.length_ms())
            && !row.measures.is_empty()
    });
    asked_for.cloned().collect()
}

/// Queries that differ in period, length and dimension.
pub(super) fn queries(id: Option<&str>) -> Vec<RowQuery> {
    let mut queries = Vec::new();
    let periods = [
        (i64::MIN, i64::MAX),
        (0, HOUR),
        (0, HOUR + 1),
        (HOUR, HOUR + 1),
        (-HOUR, 0),
        (HOUR, HOUR),
        (HOUR, 0),
        (3 * HOUR, i64::MAX),
    ];
    for (from, to) in periods {
        for window_ms in [None, Some(TEN_MINUTES), Some(HOUR), Some(7)] {
            for dimension in Dimension::ALL {
                queries.push(RowQuery {
                    dimension,
                    id: id.map(str::to_owned),
                    from: EventTime(from),
                    to: EventTime(to),
                    window_ms,
                    ..everything()
                });
            }
        }
    }
    queries
}

/// Rows of some ids, windows of two lengths, parts and panes, a few of them without measures.
pub(super) fn drawn(random: &mut SplitMix64, count: usize) -> Vec<WindowRow> {
    let mut draw = |below: u64| random.next() % below;
    let rows = (0..count).map(|_| {
        let length_ms = [TEN_MINUTES, HOUR][draw(2) as usize];
        let id = ["a", "ab", "b", "б", ""][draw(5) as usize];
        let dimension = [Dimension::Product, Dimension::Session][draw(2) as usize];
        // The pane decides the rest, as it does for a real operator.
        let pane = draw(6) as u32;
        let start = draw(8) as i64 * TEN_MINUTES;
        WindowRow {
            key: RowKey::new(dimension, id),
            window: window(start, length_ms),
            part: draw(2),
            ..row(id, start, pane, u64::from(pane + 1) % 6)
        }
    });
    rows.collect()
}
