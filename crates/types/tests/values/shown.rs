//! Slates shown and what came of them: records and states.

use super::answers::impressions;
use super::catalogue::product_id;
use vitrina_types::event::KindTag;
use vitrina_types::id::SlateId;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::record::{SlateEnvelope, SlateRecord};
use vitrina_types::state::{SlatePending, SlateState, SlateValue};
use vitrina_types::time::{EventTime, IngestTime};

const INGEST: IngestTime = IngestTime(1_569_888_000_000);

pub(crate) fn slate_envelopes() -> Vec<SlateEnvelope> {
    let interacted = |kind, value, pieces| SlateRecord::Interacted {
        slate: SlateId::new("s-1").unwrap(),
        product: product_id("p"),
        kind: KindTag(kind),
        at: EventTime(1_569_888_000_001),
        value,
        pieces,
        visitor: u64::MAX,
    };
    let returned = Amount::from_units(-71.58).ok().map(|a| (Currency::USD, a));
    let records = vec![
        SlateRecord::Shown(Box::new(impressions().swap_remove(2))),
        interacted(1, None, 1),
        interacted(6, returned, 1_000_000),
        SlateRecord::Tick,
        SlateRecord::Expire { hour: 436_080 },
        SlateRecord::Forget {
            keys: vec!["s/s-1".into(), "s/s-2".into()],
        },
    ];
    let places = records.into_iter().enumerate();
    let envelopes = places.map(|(place, record)| SlateEnvelope {
        ingest_time: INGEST,
        backfill: place % 2 == 1,
        record,
    });
    envelopes.collect()
}

pub(crate) fn slate_values() -> Vec<SlateValue> {
    let pending = |value| SlatePending {
        product: product_id("p"),
        kind: KindTag(5),
        at: EventTime(1_569_888_000_001),
        value,
        pieces: 2,
        visitor: 7,
    };
    let spent = Amount::from_units(71.58).ok().map(|a| (Currency::GBP, a));
    let shown = SlateState {
        shown: Some(Box::new(impressions().swap_remove(0))),
        pending: Vec::new(),
        first_ingest: INGEST,
    };
    let waited_for = SlateState {
        shown: None,
        pending: vec![pending(None), pending(spent)],
        first_ingest: INGEST,
    };
    vec![
        SlateValue::Slate(Box::new(shown)),
        SlateValue::Slate(Box::new(waited_for)),
        SlateValue::Expiry(vec!["s/s-1".into(), "s/s-2".into()]),
    ]
}
