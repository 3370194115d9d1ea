//! Tests that every [`AnalyticsStore`] must pass. An adapter calls them with one line,
//! [`analytics_store_suite!`](crate::analytics_store_suite).

use super::{AnalyticsStore, PAGE_ROWS_MAX, RowCursor, RowQuery, UPSERT_ROWS_MAX, Upsert};
use crate::faulty::SplitMix64;
use crate::suite::{Subject, ok, opened, refused, reopened, within_deadline};
use crate::{PortError, Retry};
use rows::{
    HERE, HOUR, TEN_MINUTES, alike, all, drawn, everything, expected, keep, position, queries, row,
    upsert, views,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::row::{Dimension, ROW_ID_BYTES_MAX, WindowRow};
use vitrina_types::time::EventTime;

mod rows;

/// Runs the whole suite on a [`Subject`] that opens an [`AnalyticsStore`].
#[macro_export]
macro_rules! analytics_store_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            analytics,
            $subject,
            [
                an_empty_store_has_neither_row_nor_position,
                the_newest_pane_wins_whatever_the_order,
                of_equal_panes_the_first_stays,
                an_upsert_on_the_wrong_position_does_nothing,
                one_of_many_upserts_on_one_position_wins,
                a_read_never_sees_half_an_upsert,
                a_row_without_measures_takes_back_what_was_there,
                one_key_is_answered_over_time,
                all_keys_of_a_period_are_answered,
                pages_join_to_the_whole,
                a_page_goes_on_where_it_was_though_rows_come_and_go,
                any_order_and_grouping_answers_the_same,
                retention_forgets_what_began_before,
                rows_over_a_limit_are_refused,
                what_was_upserted_is_there_after_reopening,
            ]
        );
    };
}

/// Nothing to answer, nothing to forget, and an upsert without rows moves the position alone.
pub async fn an_empty_store_has_neither_row_nor_position<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    for partition in Partition::all() {
        assert_eq!(position(&store, partition).await, None);
    }
    for dimension in Dimension::ALL {
        let query = RowQuery {
            dimension,
            ..everything()
        };
        assert_eq!(all(&store, &query).await, []);
    }
    let forgotten = store.retain(EventTime(i64::MAX)).await;
    assert_eq!(ok(forgotten, "retain"), 0);
    ok(upsert(&store, None, 0, &[]).await, "to 0");
    assert_eq!(position(&store, HERE).await, Some(0), "0 is a position");
    ok(upsert(&store, Some(0), 7, &[]).await, "to 7");
    assert_eq!(position(&store, HERE).await, Some(7));
    assert_eq!(position(&store, Partition(4)).await, None);
}

/// Every order of three panes, in one call and in three, leaves the newest.
pub async fn the_newest_pane_wins_whatever_the_order<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    let orders = [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ];
    for (number, order) in orders.into_iter().enumerate() {
        let (together, apart) = (format!("{number}-together"), format!("{number}-apart"));
        let panes = |id: &str| order.map(|pane| row(id, 0, pane, u64::from(pane) + 1));
        keep(&store, &panes(&together)).await;
        for one in panes(&apart) {
            keep(&store, &[one]).await;
        }
    }
    let found = views(&store, &everything()).await;
    assert_eq!(found.len(), 2 * orders.len());
    assert!(found.iter().all(|(_, views)| *views == 3), "{found:?}");
}

/// The same pane again, as after a replay, replaces nothing.
pub async fn of_equal_panes_the_first_stays<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let store = opened(subject).await;
    keep(&store, &[row("a", 0, 4, 1), row("a", 0, 4, 2)]).await;
    keep(&store, &[row("a", 0, 4, 3)]).await;
    assert_eq!(views(&store, &everything()).await, [("a".to_owned(), 1)]);
}

/// Refused with the position found, and nothing of it is there.
pub async fn an_upsert_on_the_wrong_position_does_nothing<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let store = opened(subject).await;
    let fresh = upsert(&store, Some(0), 5, &[row("a", 0, 9, 9)]).await;
    refused(fresh, "a position where there is none");
    ok(upsert(&store, None, 5, &[row("a", 0, 0, 1)]).await, "first");
    for expected in [None, Some(0), Some(4), Some(6)] {
        let rows = [row("a", 0, 9, 9), row("b", 0, 0, 9)];
        let error = refused(upsert(&store, expected, 9, &rows).await, "wrong position");
        assert_eq!(error.retry(), Retry::AfterReload);
        match error {
            PortError::PositionMismatch {
                expected: claimed,
                found,
                ..
            } => assert_eq!((claimed, found), (expected.unwrap_or(0), 5)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(position(&store, HERE).await, Some(5));
    assert_eq!(views(&store, &everything()).await, [("a".to_owned(), 1)]);
}

/// Compare and set is one step.
pub async fn one_of_many_upserts_on_one_position_wins<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let store = Arc::new(opened(subject).await);
    for round in 0..5_u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u64 {
            let store = Arc::clone(&store);
            tasks.spawn(async move {
                let expected = round.checked_sub(1);
                let won = row("won", 0, round as u32, task + 1);
                let result = upsert(&*store, expected, round, &[won]).await;
                result.is_ok().then_some(task + 1)
            });
        }
        let winners: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert_eq!(position(&*store, HERE).await, Some(round));
        let found = views(&*store, &everything()).await;
        assert_eq!(found, [("won".to_owned(), winners[0])]);
    }
}

/// While upserts run, all rows of a page are of one upsert.
pub async fn a_read_never_sees_half_an_upsert<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    const UPSERTS: u32 = 100;
    let store = Arc::new(opened(subject).await);
    let reader = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let mut seen = 0;
            while seen < u64::from(UPSERTS) {
                let page = ok(store.rows(everything()).await, "rows");
                let views = page.rows.iter().map(|row| row.measures.events.of("view"));
                let views: Vec<u64> = views.collect();
                assert!(views.is_empty() || views.len() == 20, "{views:?}");
                let newest = views.first().copied().unwrap_or(0);
                assert!(views.iter().all(|&one| one == newest), "{views:?}");
                assert!(newest >= seen, "stepped back");
                seen = newest;
                tokio::task::yield_now().await;
            }
        }
    });
    for pane in 0..UPSERTS {
        let views = u64::from(pane) + 1;
        let rows = (0..20).map(|n| row(&n.to_string(), n * TEN_MINUTES, pane, views));
        keep(&*store, &rows.collect::<Vec<_>>()).await;
    }
    let read = within_deadline(reader, "reader").await;
    assert!(read.is_ok(), "{read:?}");
}

/// It is gone from both kinds of answers, no older pane comes back, a newer one does.
pub async fn a_row_without_measures_takes_back_what_was_there<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let mut store = opened(subject).await;
    let one_key = RowQuery {
        id: Some("a".into()),
        ..everything()
    };
    keep(&store, &[row("a", 0, 2, 2), row("b", 0, 0, 1)]).await;
    keep(&store, &[row("a", 0, 5, 0), row("never", 0, 3, 0)]).await;
    for older in [row("a", 0, 2, 2), row("a", 0, 4, 4), row("a", 0, 5, 5)] {
        store = reopened(subject, store).await;
        keep(&store, &[older, row("never", 0, 2, 1)]).await;
        assert_eq!(views(&store, &everything()).await, [("b".to_owned(), 1)]);
        assert_eq!(views(&store, &one_key).await, []);
    }
    keep(&store, &[row("a", 0, 6, 6), row("never", 0, 4, 4)]).await;
    let want = [("a", 6), ("b", 1), ("never", 4)].map(|(id, n)| (id.to_owned(), n));
    assert_eq!(views(&store, &everything()).await, want);
    assert_eq!(views(&store, &one_key).await, want[..1]);
}

/// Only the key asked for, half-open in time, of the length asked for.
pub async fn one_key_is_answered_over_time<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let store = opened(subject).await;
    let rows = alike();
    keep(&store, &rows).await;
    for id in ["a", "a\0", "", "absent"] {
        for query in queries(Some(id)) {
            let want = expected(&rows, &query);
            assert_eq!(all(&store, &query).await, want, "{query:?}");
        }
    }
}

/// Every key, half-open in time, of the length asked for, in order.
pub async fn all_keys_of_a_period_are_answered<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let store = opened(subject).await;
    let rows = alike();
    keep(&store, &rows).await;
    for query in queries(None) {
        let want = expected(&rows, &query);
        assert_eq!(all(&store, &query).await, want, "{query:?}");
    }
}

/// Pages of any size, of any query.
pub async fn pages_join_to_the_whole<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let store = opened(subject).await;
    let seed = 0x0005_1ead;
    println!("seed {seed:#x}");
    let rows = drawn(&mut SplitMix64::new(seed), 400);
    keep(&store, &rows).await;
    for id in [None, Some("a")] {
        for window_ms in [None, Some(HOUR)] {
            for limit in [1, 2, 7, 100] {
                let query = RowQuery {
                    id: id.map(str::to_owned),
                    window_ms,
                    limit,
                    ..everything()
                };
                let want = expected(&rows, &query);
                assert!(want.len() > 3);
                assert_eq!(all(&store, &query).await, want, "{query:?}");
            }
        }
    }
}

/// Rows that stay are answered once each, whatever becomes of the row a page ended with.
pub async fn a_page_goes_on_where_it_was_though_rows_come_and_go<
    S: Subject<Port: AnalyticsStore>,
>(
    subject: &S,
) {
    let store = opened(subject).await;
    let ids: Vec<String> = (0..20).map(|n| format!("{:02}", 2 * n)).collect();
    let rows: Vec<WindowRow> = ids.iter().map(|id| row(id, 0, 0, 1)).collect();
    keep(&store, &rows).await;
    let mut query = RowQuery {
        limit: 5,
        ..everything()
    };
    let mut found = Vec::new();
    for pane in 1.. {
        let page = ok(store.rows(query.clone()).await, "rows");
        found.extend(page.rows.iter().map(|row| row.key.id.to_string()));
        if page.next.is_none() {
            break;
        }
        query.after = page.next;
        // The last row answered goes, and one that was not asked for yet comes before it.
        let last = found.last().map_or("", String::as_str);
        keep(&store, &[row(last, 0, pane, 0), row("000", 0, pane, 1)]).await;
    }
    assert_eq!(found, ids);
}

/// The law of panes, drawn at random: many orders, many groupings, one answer.
pub async fn any_order_and_grouping_answers_the_same<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    let mut store = opened(subject).await;
    let seed = 0x9a7e;
    println!("seed {seed:#x}");
    let mut random = SplitMix64::new(seed);
    let mut kept = Vec::new();
    for round in 0..40 {
        let count = (random.next() % 30) as usize;
        let mut rows = drawn(&mut random, count);
        // Some come again.
        let again = kept.len().min(5);
        rows.extend_from_slice(&kept[kept.len() - again..]);
        keep(&store, &rows).await;
        kept.extend(rows);
        if round % 8 == 7 {
            store = reopened(subject, store).await;
        }
        for dimension in [Dimension::Product, Dimension::Session] {
            let query = RowQuery {
                dimension,
                ..everything()
            };
            let want = expected(&kept, &query);
            assert_eq!(all(&store, &query).await, want, "round {round}");
        }
    }
}

/// Of every dimension and key, whatever its length; the positions stay.
pub async fn retention_forgets_what_began_before<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let mut store = opened(subject).await;
    let mut rows = alike();
    rows.push(row("gone", 0, 1, 0));
    keep(&store, &rows).await;
    let stands = position(&store, HERE).await;
    for before in [-HOUR, 0, 1, HOUR, HOUR + 1, HOUR] {
        let old = |row: &WindowRow| row.window.start.0 < before;
        // A row that came twice is one row.
        let places = rows.iter().filter(|row| old(row));
        let places = places.map(|row| (row.key.dimension, RowCursor::of(row)));
        let forgotten: BTreeSet<_> = places.collect();
        let count = ok(store.retain(EventTime(before)).await, "retain");
        assert_eq!(count, forgotten.len() as u64, "before {before}");
        rows.retain(|row| !old(row));
        store = reopened(subject, store).await;
        for query in [queries(None), queries(Some("a"))].concat() {
            let want = expected(&rows, &query);
            assert_eq!(
                all(&store, &query).await,
                want,
                "before {before}, {query:?}"
            );
        }
    }
    assert_eq!(position(&store, HERE).await, stands);
    // What comes late is kept until the next time.
    keep(&store, &[row("late", 0, 0, 1)]).await;
    assert!(
        views(&store, &everything())
            .await
            .contains(&("late".to_owned(), 1))
    );
    let again = ok(store.retain(EventTime(HOUR)).await, "retain");
    assert_eq!(again, 1);
}

/// Over a limit nothing of the call is kept; at the limit all is well.
pub async fn rows_over_a_limit_are_refused<S: Subject<Port: AnalyticsStore>>(subject: &S) {
    let store = opened(subject).await;
    let id = "i".repeat(ROW_ID_BYTES_MAX);
    let many: Vec<WindowRow> = (0..=UPSERT_ROWS_MAX as i64)
        .map(|n| row("a", n, 0, 1))
        .collect();
    let long = [row("a", 0, 0, 1), row(&format!("{id}i"), 0, 0, 1)];
    for rows in [&many[..], &long[..]] {
        let error = refused(upsert(&store, None, 1, rows).await, "limit");
        assert_eq!(error.retry(), Retry::Never, "{error:?}");
    }
    let elsewhere = Upsert {
        partition: Partition(PARTITIONS),
        expected: None,
        next: 1,
        rows: Vec::new(),
    };
    refused(store.upsert(elsewhere).await, "no such partition");
    refused(
        store.position(Partition(PARTITIONS)).await,
        "no such partition",
    );
    let greedy = RowQuery {
        limit: PAGE_ROWS_MAX + 1,
        ..everything()
    };
    refused(store.rows(greedy).await, "too large a page");
    assert_eq!(all(&store, &everything()).await, []);
    assert_eq!(position(&store, HERE).await, None);
    keep(&store, &many[1..]).await;
    keep(&store, &[row(&id, -1, 0, 1)]).await;
    assert_eq!(all(&store, &everything()).await.len(), UPSERT_ROWS_MAX + 1);
}

/// Rows and positions are as after the last upsert before an orderly stop.
pub async fn what_was_upserted_is_there_after_reopening<S: Subject<Port: AnalyticsStore>>(
    subject: &S,
) {
    if !subject.is_durable() {
        return;
    }
    let mut store = opened(subject).await;
    for pane in 0..4 {
        let count = u64::from(pane) + 1;
        keep(&store, &[row("a", 0, pane, count), row("b", HOUR, 0, 1)]).await;
        store = reopened(subject, store).await;
        assert_eq!(position(&store, HERE).await, Some(count));
        let want = [("a".to_owned(), count), ("b".to_owned(), 1)];
        assert_eq!(views(&store, &everything()).await, want);
    }
}
