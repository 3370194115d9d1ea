//! Pages of sums against all rows at once.

use super::*;
use vitrina_ports::analytics::Upsert;
use vitrina_ports::analytics::memory::MemoryAnalytics;
use vitrina_ports::faulty::SplitMix64;
use vitrina_types::event::KindTag;
use vitrina_types::rollup;

const MINUTE_MS: i64 = 60_000;
const WINDOW_MS: i64 = 10 * MINUTE_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn row(random: &mut SplitMix64, dimension: Dimension) -> WindowRow {
    let window = if dimension == Dimension::Session {
        let start = EventTime((random.next() % (5 * HOUR_MS as u64)) as i64);
        let end = start.plus_ms((random.next() % HOUR_MS as u64) as i64);
        TimeWindow { start, end }
    } else {
        let start = EventTime((random.next() % 30) as i64 * WINDOW_MS);
        let end = start.plus_ms(WINDOW_MS);
        TimeWindow { start, end }
    };
    let mut measures = Measures::default();
    for kind in ["view", "add_to_cart", "purchase"] {
        if random.next().is_multiple_of(2) {
            let tag = KindTag::of(kind).unwrap();
            measures.add(tag, None, Some(random.next()));
        }
    }
    WindowRow {
        key: RowKey::new(dimension, format!("p{}", random.next() % 12)),
        window,
        part: random.next() % 3,
        pane: (random.next() % 3) as u32,
        measures,
    }
}

async fn store(seed: u64, dimension: Dimension) -> (MemoryAnalytics, Vec<WindowRow>) {
    let store = MemoryAnalytics::new();
    let mut random = SplitMix64::new(seed);
    let mut rows: Vec<WindowRow> = (0..250).map(|_| row(&mut random, dimension)).collect();
    // Windows of another length are never summed with the others.
    if dimension == Dimension::Placement {
        rows.extend((0..20).map(|n| {
            let mut hopping = row(&mut random, dimension);
            hopping.window.start = EventTime(n * 5 * MINUTE_MS);
            hopping.window.end = hopping.window.start.plus_ms(HOUR_MS);
            hopping
        }));
    }
    let upsert = Upsert {
        partition: Partition(0),
        expected: None,
        next: 1,
        rows,
    };
    store.upsert(upsert).await.unwrap();
    let all = RowQuery {
        dimension,
        id: None,
        from: EventTime(0),
        to: EventTime(100 * HOUR_MS),
        window_ms: None,
        after: None,
        limit: PAGE_ROWS_MAX,
    };
    let rows = store.rows(all).await.unwrap().rows;
    (store, rows)
}

fn asked(dimension: Dimension, step_ms: i64, limit: usize) -> RowsAsked {
    RowsAsked {
        dimension,
        id: None,
        from: EventTime(0),
        to: EventTime(6 * HOUR_MS),
        step_ms,
        offset_ms: 0,
        after: None,
        limit,
    }
}

async fn all_pages(store: &MemoryAnalytics, mut asked: RowsAsked) -> Vec<RowSum> {
    let mut sums = Vec::new();
    loop {
        let page = Reader::new(store, asked.clone(), WINDOW_MS)
            .unwrap()
            .page()
            .await
            .unwrap();
        assert!(page.sums.len() <= asked.limit);
        sums.extend(page.sums);
        match page.next {
            Some(next) => asked.after = Some(next),
            None => return sums,
        }
    }
}

/// Pages of sums join to the sums of all rows at once, whatever their size.
#[tokio::test]
async fn pages_join_to_the_sums_of_all_rows() {
    for seed in 0..12 {
        for dimension in [Dimension::Product, Dimension::Placement, Dimension::Session] {
            let (store, rows) = store(seed, dimension).await;
            for step_ms in [WINDOW_MS, HOUR_MS, 4 * HOUR_MS] {
                for (id, limit) in [(None, 1), (None, 7), (Some("p3"), 2), (None, 1_000)] {
                    let asked = RowsAsked {
                        id: id.map(str::to_owned),
                        offset_ms: HOUR_MS,
                        ..asked(dimension, step_ms, limit)
                    };
                    let of = |row: &&WindowRow| {
                        let is_long = row.window.length_ms() == HOUR_MS;
                        (dimension == Dimension::Session || !is_long)
                            && id.is_none_or(|id| id == &*row.key.id)
                    };
                    let chosen: Vec<WindowRow> = rows.iter().filter(of).cloned().collect();
                    let mut want: Vec<RowSum> = rollup::roll_up(chosen, step_ms, HOUR_MS)
                        .into_iter()
                        .map(|((key, window), measures)| RowSum {
                            key,
                            window,
                            measures,
                        })
                        .collect();
                    want.sort_by(|a, b| (a.window, &a.key).cmp(&(b.window, &b.key)));
                    let got = all_pages(&store, asked).await;
                    assert_eq!(
                        got, want,
                        "seed {seed}, {dimension:?}, {step_ms}, {id:?}, {limit}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_step_that_windows_do_not_fit_into_is_refused() {
    let store = MemoryAnalytics::new();
    #[rustfmt::skip]
    let cases = [
        ("a window",         WINDOW_MS,           0,               None),
        ("an hour",          HOUR_MS,             30 * MINUTE_MS,  None),
        ("half a window",    WINDOW_MS / 2,       0,               Some("step")),
        ("no multiple",      15 * MINUTE_MS,      0,               Some("step")),
        ("none",             0,                   0,               Some("step")),
        ("too long",         WINDOW_MS * 1_025,   0,               Some("step")),
        ("Kathmandu",        HOUR_MS,             345 * MINUTE_MS, Some("zone_offset")),
    ];
    for (name, step_ms, offset_ms, field) in cases {
        let asked = RowsAsked {
            offset_ms,
            ..asked(Dimension::Product, step_ms, 10)
        };
        let refused = Reader::new(&store, asked, WINDOW_MS).err();
        let found = refused.map(|error| match error {
            EngineError::Rejected(rejection) => rejection.field,
            other => panic!("{name}: {other}"),
        });
        assert_eq!(found.as_deref(), field, "{name}");
    }
}

/// The funnel read page by page is that of all rows.
#[tokio::test]
async fn a_funnel_counts_every_session_once() {
    for seed in 0..12 {
        let (store, rows) = store(seed, Dimension::Session).await;
        let got = sessions::funnel(&store, EventTime(0), EventTime(9 * HOUR_MS)).await;
        assert_eq!(got.unwrap(), rollup::funnel(&rows), "seed {seed}");
    }
    let (store, _) = store(1, Dimension::Session).await;
    let long = EventTime(FUNNEL_SPAN_MAX_MS + 1);
    assert!(sessions::funnel(&store, EventTime(0), long).await.is_err());
}
