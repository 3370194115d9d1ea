//! Attribution against its definition, and across restarts, for any records.

use super::{Part, at_ingest, did, parts, ran, shown};
use crate::alone::Alone;
use crate::make::{HOUR, SECOND, START};
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::SlateStage;
use vitrina_types::answer::Impression;
use vitrina_types::event::KindTag;
use vitrina_types::partition::Partition;
use vitrina_types::record::SlateRecord;
use vitrina_types::row::Measures;
use vitrina_types::time::EventTime;

/// Sorted, so that it can be compared whatever the order.
fn sorted(mut parts: Vec<Part>) -> Vec<Part> {
    parts.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    parts
}

/// One of a few slates, shown or acted on; times around the edges of the window.
fn any_record() -> impl Strategy<Value = SlateRecord> {
    let item = (0usize..4, 0usize..3);
    let items = prop::collection::vec(item, 0..4);
    let ms = prop::sample::select(vec![
        -5_001,
        -5_000,
        0,
        SECOND,
        HOUR,
        24 * HOUR - 1,
        24 * HOUR,
        24 * HOUR + 1,
        25 * HOUR,
    ]);
    const PRODUCTS: [&str; 4] = ["p", "q", "r", "x"];
    const SOURCES: [&str; 3] = ["popular", "covisit", "new_arrivals"];
    let slates =
        (0usize..4, 0usize..2, 0i64..3, items).prop_map(|(slate, placement, ms, items)| {
            let items: Vec<_> = items
                .iter()
                .map(|&(p, s)| (PRODUCTS[p], SOURCES[s]))
                .collect();
            let placement = ["home", "cart"][placement];
            shown(&format!("s{slate}"), placement, ms * HOUR, &items)
        });
    let kinds = prop::sample::select(vec!["click", "view", "purchase", "return", "impression"]);
    let interactions = (0usize..5, 0usize..4, kinds, ms)
        .prop_map(|(slate, p, kind, ms)| did(&format!("s{slate}"), kind, PRODUCTS[p], ms));
    prop_oneof![1 => slates, 3 => interactions]
}

/// The same from its definition: the first impression of each slate, and every interaction that
/// it can be held responsible for.
fn naive(records: &[SlateRecord]) -> Vec<Part> {
    let mut slates: BTreeMap<&str, &Impression> = BTreeMap::new();
    let mut parts = Vec::new();
    let part = |id: String, at: EventTime, measures: Measures| {
        (Partition::of(&id), id, at.0 - START, measures)
    };
    for record in records {
        let SlateRecord::Shown(impression) = record else {
            continue;
        };
        if slates.contains_key(impression.slate_id.as_str()) {
            continue;
        }
        slates.insert(impression.slate_id.as_str(), impression);
        let home = impression.placement.to_string();
        let mut ids: BTreeMap<String, Measures> = BTreeMap::new();
        for item in &impression.items {
            for id in [home.clone(), format!("{home}/{}", item.source)] {
                let visitor = xxhash_rust::xxh3::xxh3_64(b"u/u");
                let kind = KindTag::of("impression").unwrap();
                ids.entry(id).or_default().add(kind, None, Some(visitor));
            }
        }
        parts.extend(ids.into_iter().map(|(id, m)| part(id, impression.at, m)));
    }
    for record in records {
        let SlateRecord::Interacted {
            slate,
            product,
            kind,
            at,
            value,
            pieces,
            visitor,
        } = record
        else {
            continue;
        };
        let Some(impression) = slates.get(slate.as_str()) else {
            continue;
        };
        let item = impression
            .items
            .iter()
            .find(|item| item.product == *product);
        let after = at.0 - impression.at.0;
        let Some(item) = item.filter(|_| (-5_000..=86_400_000).contains(&after)) else {
            continue;
        };
        if kind.name() == "impression" {
            continue;
        }
        let mut measures = Measures::default();
        measures.add(*kind, *value, Some(*visitor));
        measures.pieces = match kind.name() {
            "purchase" => i64::from(*pieces),
            "return" => -i64::from(*pieces),
            _ => 0,
        };
        let home = impression.placement.to_string();
        parts.push(part(home.clone(), *at, measures.clone()));
        parts.push(part(format!("{home}/{}", item.source), *at, measures));
    }
    parts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever came first, all of it and nothing else is attributed; and a row of a placement
    /// holds as many clicks as the rows of its sources.
    #[test]
    fn attribution_equals_its_definition(records in prop::collection::vec(any_record(), 0..60)) {
        let got = parts(&ran(&records));
        let clicks = |inner: bool| {
            let rows = got.iter().filter(|part| part.1.contains('/') == inner);
            rows.map(|part| part.3.events.of("click")).sum::<u64>()
        };
        prop_assert_eq!(clicks(true), clicks(false));
        prop_assert_eq!(sorted(got), sorted(naive(&records)));
    }

    /// Interactions may come in any order, before their slate and after it.
    #[test]
    fn arrival_order_does_not_matter(
        records in prop::collection::vec(any_record(), 0..40).prop_shuffle(),
        places in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        // Of slates the first counts, so these keep their order.
        let (slates, mut mixed): (Vec<_>, Vec<_>) = records
            .iter()
            .cloned()
            .partition(|record| matches!(record, SlateRecord::Shown(_)));
        let mut at = 0;
        for (slate, place) in slates.into_iter().zip(places) {
            at += place.index(mixed.len() - at + 1);
            mixed.insert(at, slate);
            at += 1;
        }
        prop_assert_eq!(sorted(parts(&ran(&mixed))), sorted(parts(&ran(&records))));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// State and outputs are the same, byte for byte, wherever a task stopped and started, with
    /// slates forgotten in between.
    #[test]
    fn restoring_is_replaying(
        records in prop::collection::vec((any_record(), 0i64..4, 0u8..6), 0..60),
        breaks in prop::collection::vec((1usize..9, any::<bool>()), 0..8),
    ) {
        let stage = SlateStage::default();
        let (mut calm, mut shaken) = (Alone::new(stage.clone(), 3), Alone::new(stage, 3));
        let mut now = 0;
        for chunk in records.chunks(12) {
            for (record, hours, special) in chunk {
                now += hours * 5 * HOUR;
                let record = if *special == 0 { &SlateRecord::Tick } else { record };
                for alone in [&mut calm, &mut shaken] {
                    alone.push(&at_ingest(now, record.clone()));
                }
            }
            calm.run();
            shaken.run_shaken(&breaks);
        }
        prop_assert_eq!(shaken.all_sent(), calm.all_sent());
        prop_assert_eq!(shaken.store(), calm.store());
    }
}
