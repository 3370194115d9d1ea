//! Window rows: contributions to them, the rows, and what came too late for one.

use vitrina_types::event::KindTag;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::record::{RowEnvelope, RowRecord, Upstream};
use vitrina_types::row::{Dimension, LateEvent, Measures, RowKey, TimeWindow, WindowRow};
use vitrina_types::time::{EventTime, IngestTime, Progress, Watermark};

pub(crate) const START: EventTime = EventTime(1_569_888_000_000);

pub(crate) fn measures(visitors: u64) -> Measures {
    let mut measures = Measures::default();
    let money = |units, currency| Amount::from_units(units).ok().map(|a| (currency, a));
    for (tag, value) in [
        (0, money(10.5, Currency::USD)),
        (5, money(71.58, Currency::USD)),
        (5, money(0.25, Currency::GBP)),
        (6, money(-71.58, Currency::USD)),
        (9, None),
    ] {
        measures.add(KindTag(tag), value, None);
    }
    measures.pieces = -3;
    for visitor in 1..=visitors {
        // Spread over all bits, as hashes are.
        measures
            .visitors
            .add(visitor.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    measures
}

/// Nothing, few visitors, and as many as are estimated.
pub(crate) fn all_measures() -> [Measures; 3] {
    [Measures::default(), measures(2), measures(500)]
}

pub(crate) fn window(ms: i64) -> TimeWindow {
    TimeWindow {
        start: START,
        end: START.plus_ms(ms),
    }
}

pub(crate) fn progress() -> Progress {
    Progress {
        live: Watermark(START.0 - 5_000),
        backfill: Some(Watermark(0)),
    }
}

pub(crate) fn upstream() -> Upstream {
    Upstream {
        from: 33,
        of: 2,
        progress: progress(),
    }
}

pub(crate) fn row_envelopes() -> Vec<RowEnvelope> {
    let part = |measures| RowRecord::Part {
        key: RowKey::new(Dimension::Placement, "home/popular"),
        at: START,
        measures: Box::new(measures),
    };
    let mut records: Vec<RowRecord> = all_measures().map(part).into();
    records.extend([
        RowRecord::Upstream(upstream()),
        RowRecord::Upstream(Upstream {
            from: 0,
            of: 0,
            progress: Progress::default(),
        }),
        RowRecord::Reached(progress()),
        RowRecord::Continue,
    ]);
    let places = records.into_iter().enumerate();
    let envelopes = places.map(|(place, record)| RowEnvelope {
        ingest_time: IngestTime(START.0 + 1),
        backfill: place % 2 == 1,
        record,
    });
    envelopes.collect()
}

pub(crate) fn window_rows() -> Vec<WindowRow> {
    let keys = [
        RowKey::new(Dimension::Product, "1004856"),
        RowKey::new(Dimension::Category, "electronics.smartphone"),
        RowKey::new(Dimension::Brand, "Рога и копыта"),
        RowKey::new(Dimension::Placement, "home"),
        RowKey::new(Dimension::Session, "u/u"),
    ];
    let all = all_measures();
    let places = keys.into_iter().enumerate();
    let rows = places.map(|(place, key)| WindowRow {
        key,
        window: window(if place == 4 { 90_001 } else { 600_000 }),
        part: if place == 1 { u64::MAX } else { 0 },
        pane: place as u32,
        measures: all[place % 3].clone(),
    });
    rows.collect()
}

pub(crate) fn late_events() -> Vec<LateEvent> {
    vec![LateEvent {
        ingest_time: IngestTime(START.0 + 1),
        operator: "product-stage".into(),
        key: RowKey::new(Dimension::Product, "1004856"),
        window: window(600_000),
        at: START.plus_ms(1),
        watermark: Watermark(START.0 + 700_000),
        measures: measures(1),
    }]
}
