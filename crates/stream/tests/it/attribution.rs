//! What is attributed to slates: the same whatever came first, and however often a task stopped.

mod laws;

use crate::alone::Alone;
use crate::make::{HOUR, SECOND, START};
use vitrina_stream::bounds::{PENDING_MAX, SLATE_EXPIRY_KEYS_MAX, SLATE_EXPIRY_SHARDS};
use vitrina_stream::{SlateOptions, SlateStage};
use vitrina_types::answer::{Impression, ShownItem};
use vitrina_types::event::KindTag;
use vitrina_types::id::{AnonymousId, PlacementId, ProductId, SlateId, UserId};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::record::{RowEnvelope, RowRecord, SlateEnvelope, SlateRecord};
use vitrina_types::row::{Dimension, Measures};
use vitrina_types::score::Score;
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

fn at_ingest(ms: i64, record: SlateRecord) -> SlateEnvelope {
    SlateEnvelope {
        ingest_time: IngestTime(START + ms),
        backfill: false,
        record,
    }
}

/// A slate at `ms`: products and the sources that proposed them.
fn shown(slate: &str, placement: &str, ms: i64, items: &[(&str, &str)]) -> SlateRecord {
    let items = items.iter().map(|(product, source)| ShownItem {
        product: ProductId::new(product).unwrap(),
        score: Score::saturating(1.0),
        source: (*source).into(),
    });
    SlateRecord::Shown(Box::new(Impression {
        slate_id: SlateId::new(slate).unwrap(),
        user_id: UserId::new("u").ok(),
        placement: PlacementId::new(placement).unwrap(),
        at: EventTime(START + ms),
        generation: 0,
        items: items.collect(),
        anonymous_id: None,
        request_id: None,
    }))
}

fn did(slate: &str, kind: &str, product: &str, ms: i64) -> SlateRecord {
    let sign = match kind {
        "purchase" => 1.0,
        "return" => -1.0,
        _ => 0.0,
    };
    let value = (sign != 0.0).then(|| (Currency::USD, Amount::from_units(sign * 20.0).unwrap()));
    SlateRecord::Interacted {
        slate: SlateId::new(slate).unwrap(),
        product: ProductId::new(product).unwrap(),
        kind: KindTag::of(kind).unwrap(),
        at: EventTime(START + ms),
        value,
        pieces: 2,
        visitor: 7 << 32,
    }
}

/// Contributions: partition, row, event time since [`START`], what.
type Part = (Partition, String, i64, Measures);

fn parts(alone: &Alone<SlateStage>) -> Vec<Part> {
    let records = alone.sent::<RowEnvelope>(Topic::RowSignals);
    let parts = records
        .into_iter()
        .map(|(partition, envelope)| match envelope.record {
            RowRecord::Part { key, at, measures } => {
                assert_eq!(partition, key.partition());
                assert_eq!(key.dimension, Dimension::Placement);
                (partition, key.id.into(), at.0 - START, *measures)
            }
            other => panic!("{other:?}"),
        });
    parts.collect()
}

fn ran(records: &[SlateRecord]) -> Alone<SlateStage> {
    let mut alone = Alone::new(SlateStage::default(), 0);
    for record in records {
        alone.push(&at_ingest(0, record.clone()));
    }
    alone.run();
    alone
}

#[test]
fn a_slate_counts_its_products_once_a_row() {
    let items = [("p", "popular"), ("q", "covisit"), ("r", "popular")];
    let got = parts(&ran(&[shown("s", "home", 5, &items)]));
    let visitors = |m: &Measures| m.visitors.estimate();
    let mut seen: Vec<_> = got
        .iter()
        .map(|(_, row, at, m)| (row.as_str(), *at, m.events.of("impression"), visitors(m)))
        .collect();
    seen.sort_unstable();
    let want = [
        ("home", 5, 3, 1),
        ("home/covisit", 5, 1, 1),
        ("home/popular", 5, 2, 1),
    ];
    assert_eq!(seen, want);
    assert!(
        got.iter()
            .all(|(_, _, _, m)| m.events.total() == m.events.of("impression"))
    );
}

#[test]
fn visitors_are_those_of_the_user_stage() {
    let hash = |key: &str| xxhash_rust::xxh3::xxh3_64(key.as_bytes());
    #[rustfmt::skip]
    let cases = [
        ("a user",         Some("u"), Some("c"), Some(hash("u/u"))),
        ("only a cookie",  None,      Some("c"), Some(hash("a/c"))),
        ("nobody",         None,      None,      None),
    ];
    for (name, user, cookie, hash) in cases {
        let SlateRecord::Shown(mut impression) = shown("s", "home", 0, &[("p", "popular")]) else {
            unreachable!()
        };
        impression.user_id = user.and_then(|id| UserId::new(id).ok());
        impression.anonymous_id = cookie.and_then(|id| AnonymousId::new(id).ok());
        let mut want = Measures::default();
        want.add(KindTag::of("impression").unwrap(), None, hash);
        let got = parts(&ran(&[SlateRecord::Shown(impression)]));
        assert!(
            got.len() == 2 && got.iter().all(|part| part.3 == want),
            "{name}"
        );
    }
}

#[test]
fn attribution_cases() {
    let day = 24 * HOUR;
    #[rustfmt::skip]
    let cases: &[(&str, SlateRecord, bool)] = &[
        ("a click",                     did("s", "click", "p", 0),              true),
        ("a view",                      did("s", "view", "p", SECOND),          true),
        ("a purchase",                  did("s", "purchase", "p", HOUR),        true),
        ("a return",                    did("s", "return", "p", HOUR),          true),
        ("the last moment",             did("s", "click", "p", day),            true),
        ("a moment later",              did("s", "click", "p", day + 1),        false),
        ("a clock behind",              did("s", "click", "p", -5 * SECOND),    true),
        ("before it was shown",         did("s", "click", "p", -5 * SECOND - 1), false),
        ("the end of time",             did("s", "click", "p", i64::MAX - START), false),
        ("a product it did not show",   did("s", "click", "x", 0),              false),
        ("another slate",               did("t", "click", "p", 0),              false),
        ("an impression of the page's", did("s", "impression", "p", 0),         false),
    ];
    let slate = shown("s", "home", 0, &[("q", "covisit"), ("p", "popular")]);
    for (name, interaction, is_attributed) in cases {
        for records in [
            [slate.clone(), interaction.clone()],
            [interaction.clone(), slate.clone()],
        ] {
            let alone = ran(&records);
            let mut got = parts(&alone);
            got.retain(|part| part.3.events.of("impression") == 0);
            let rows: Vec<_> = got.iter().map(|part| part.1.as_str()).collect();
            let want = if *is_attributed {
                &["home", "home/popular"][..]
            } else {
                &[]
            };
            assert_eq!(sorted_names(rows), want, "{name}");
            let SlateRecord::Interacted {
                kind, at, value, ..
            } = interaction
            else {
                unreachable!()
            };
            for (_, _, ms, measures) in got {
                let mut want = Measures::default();
                want.add(*kind, *value, Some(7 << 32));
                want.pieces = match kind.name() {
                    "purchase" => 2,
                    "return" => -2,
                    _ => 0,
                };
                assert_eq!((ms, measures), (at.0 - START, want), "{name}");
            }
        }
    }
}

fn sorted_names(mut names: Vec<&str>) -> Vec<&str> {
    names.sort_unstable();
    names
}

#[test]
fn the_first_to_show_a_slate_is_right() {
    let first = shown("s", "home", 0, &[("p", "popular")]);
    let second = shown("s", "cart", HOUR, &[("q", "covisit")]);
    let clicks = [did("s", "click", "p", 0), did("s", "click", "q", HOUR)];
    let [p, q] = clicks;
    let alone = ran(&[p, first.clone(), second.clone(), q, second, first]);
    assert_eq!(alone.task_state().duplicates, 3);
    let got = parts(&alone);
    assert_eq!(got.len(), 4, "{got:?}");
    assert!(got.iter().all(|part| part.1.starts_with("home")));
}

#[test]
fn who_waits_in_too_great_a_number_is_given_up() {
    let mut records = vec![did("s", "click", "p", 0); PENDING_MAX + 3];
    records.push(shown("s", "home", 0, &[("p", "popular")]));
    let alone = ran(&records);
    assert_eq!(alone.task_state().rejected, 3);
    let clicks = parts(&alone)
        .iter()
        .map(|part| part.3.events.of("click"))
        .sum::<u64>();
    assert_eq!(clicks, 2 * PENDING_MAX as u64);
}

#[test]
fn what_is_too_long_for_a_row_has_none() {
    let source = "x".repeat(200);
    let placement = "y".repeat(128);
    let slate = shown("s", &placement, 0, &[("p", &source)]);
    let got = parts(&ran(&[slate, did("s", "click", "p", 0)]));
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|part| part.1 == placement));
}

/// Slates shown at 0; then ticks at these hours, then what is left of the state.
#[test]
fn expiry_cases() {
    #[rustfmt::skip]
    let cases: &[(&str, i64, bool)] = &[
        ("fresh",                        0,        true),
        ("an hour short",                48,       true),
        ("kept long enough",             49,       false),
        ("much later",                   400,      false),
    ];
    for &(name, hour, stays) in cases {
        let mut alone = Alone::new(SlateStage::default(), 0);
        for slate in 0..600 {
            let slate = shown(&format!("s{slate}"), "home", 0, &[("p", "popular")]);
            alone.push(&at_ingest(HOUR / 2, slate));
        }
        alone.push(&at_ingest(hour * HOUR, SlateRecord::Tick));
        alone.run();
        let slates = alone
            .keys()
            .iter()
            .filter(|key| key.starts_with("s/"))
            .count();
        assert_eq!(slates, if stays { 600 } else { 0 }, "{name}");
        assert_eq!(alone.keys().is_empty(), !stays, "{name}: buckets");
    }
}

#[test]
fn hours_of_a_long_pause_are_made_up_for() {
    let mut alone = Alone::new(SlateStage::default(), 0);
    for hour in 0..10 {
        let slate = shown(&format!("s{hour}"), "home", 0, &[]);
        alone.push(&at_ingest(hour * HOUR, slate));
    }
    let tick = |alone: &mut Alone<SlateStage>, times| {
        for second in 0..times {
            let now = 60 * HOUR + second * SECOND;
            alone.push(&at_ingest(now, SlateRecord::Tick));
        }
        alone.run();
    };
    tick(&mut alone, 3);
    assert_eq!(alone.keys(), [""; 0]);
    // The next slate may be older than the hour that is looked at next.
    alone.push(&at_ingest(5 * HOUR, shown("old", "home", 0, &[])));
    tick(&mut alone, 0);
    assert_eq!(alone.keys().len(), 2);
    tick(&mut alone, 2);
    assert_eq!(alone.keys(), [""; 0]);
}

#[test]
fn a_slate_heard_of_anew_is_not_forgotten() {
    let mut alone = Alone::new(SlateStage::default(), 0);
    alone.push(&at_ingest(0, did("s", "click", "p", 0)));
    alone.push(&at_ingest(50 * HOUR, SlateRecord::Tick));
    alone.run();
    assert_eq!((alone.keys().len(), alone.task_state().rejected), (0, 1));
    alone.push(&at_ingest(
        50 * HOUR,
        shown("s", "home", 0, &[("p", "popular")]),
    ));
    // A record that forgets it, as of its first time, comes late.
    let keys = vec!["s/s".into(), "s/other".into()];
    alone.push(&at_ingest(50 * HOUR, SlateRecord::Forget { keys }));
    alone.push(&at_ingest(50 * HOUR, did("s", "click", "p", 0)));
    alone.run();
    assert_eq!(parts(&alone).len(), 4);
    for _ in 0..13 {
        alone.push(&at_ingest(99 * HOUR, SlateRecord::Tick));
    }
    alone.run();
    assert_eq!(alone.keys(), [""; 0]);
}

#[test]
fn a_slate_is_kept_longer_than_its_window_whatever_is_set() {
    let options = SlateOptions {
        slate_keep_ms: 0,
        ..SlateOptions::default()
    };
    let mut alone = Alone::new(SlateStage { options }, 0);
    alone.push(&at_ingest(0, shown("s", "home", 0, &[("p", "popular")])));
    alone.push(&at_ingest(25 * HOUR, SlateRecord::Tick));
    alone.push(&at_ingest(25 * HOUR, did("s", "click", "p", 24 * HOUR)));
    alone.run();
    assert_eq!(parts(&alone).len(), 4);
}

#[test]
fn a_slate_without_room_is_counted_and_not_remembered() {
    let mut alone = Alone::new(SlateStage::default(), 0);
    let shard =
        |slate: &str| xxhash_rust::xxh3::xxh3_64(slate.as_bytes()) % u64::from(SLATE_EXPIRY_SHARDS);
    let all = (0..).map(|n| format!("s{n}"));
    let same = all.filter(|slate| shard(&format!("s/{slate}")) == 0);
    for slate in same.take(SLATE_EXPIRY_KEYS_MAX + 2) {
        alone.push(&at_ingest(0, shown(&slate, "home", 0, &[("p", "popular")])));
    }
    alone.run();
    assert_eq!(alone.keys().len(), SLATE_EXPIRY_KEYS_MAX + 1);
    assert_eq!(alone.task_state().rejected, 2);
    assert_eq!(parts(&alone).len(), 2 * (SLATE_EXPIRY_KEYS_MAX + 2));
}

#[test]
fn backfill_stays_backfill() {
    let mut alone = Alone::new(SlateStage::default(), 0);
    for record in [
        shown("s", "home", 0, &[("p", "popular")]),
        did("s", "click", "p", 0),
    ] {
        alone.push(&SlateEnvelope {
            backfill: true,
            ..at_ingest(1_000 * HOUR, record)
        });
    }
    alone.run();
    let sent = alone.sent::<RowEnvelope>(Topic::RowSignals);
    assert_eq!(sent.len(), 4);
    let ingest_time = IngestTime(START + 1_000 * HOUR);
    assert!(
        sent.iter()
            .all(|(_, e)| e.backfill && e.ingest_time == ingest_time)
    );
}
