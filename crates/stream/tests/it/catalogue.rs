//! What the catalogue says of products, and what interactions mean for categories.

use crate::make::*;
use proptest::prelude::*;
use vitrina_stream::driver::Driver;
use vitrina_types::ban::BanTarget;
use vitrina_types::event::KindTag;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord};
use vitrina_types::state::{ProductKey, ProductValue};
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

fn card(title: &str, path: &[&str], created: i64) -> Box<Product> {
    let mut card = Product::bare(product("p"), EventTime(created));
    card.title = Some(title.into());
    card.category_path = path.iter().map(|level| (*level).into()).collect();
    Box::new(card)
}

fn upsert(version: u64, title: &str) -> ProductRecord {
    let product = card(title, &["electronics", "audio"], version as i64);
    ProductRecord::Upsert { version, product }
}

fn delete(version: u64) -> ProductRecord {
    ProductRecord::Delete {
        version,
        product: product("p"),
    }
}

fn interaction(at: i64) -> ProductRecord {
    ProductRecord::Interaction {
        product: product("p"),
        kind: KindTag::of("view").unwrap(),
        interest: 1.0,
        at: EventTime(START + at),
        value: None,
        pieces: 1,
        visitor: None,
    }
}

fn fed(records: Vec<ProductRecord>) -> Driver {
    let mut driver = Driver::default();
    for record in records {
        driver.pipe_in_product(&signal(record));
    }
    driver.run();
    driver
}

#[test]
fn card_cases() {
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<ProductRecord>, Option<&str>, u64, bool)> = vec![
        ("new",              vec![upsert(1, "a")],                             Some("a"), 1, false),
        ("newer",            vec![upsert(1, "a"), upsert(2, "b")],             Some("b"), 2, false),
        ("older",            vec![upsert(2, "b"), upsert(1, "a")],             Some("b"), 2, false),
        ("again",            vec![upsert(1, "a"), upsert(1, "b")],             Some("a"), 1, false),
        ("deleted",          vec![upsert(1, "a"), delete(2)],                  None,      2, true),
        ("deleted before",   vec![delete(2), upsert(1, "a")],                  None,      2, true),
        ("back again",       vec![upsert(1, "a"), delete(2), upsert(3, "c")],  Some("c"), 3, false),
        ("only seen",        vec![interaction(0)],                             None,      0, false),
    ];
    for (name, records, title, version, deleted) in cases {
        let state = fed(records).product(&product("p")).unwrap();
        let got = state.card.and_then(|card| card.title);
        assert_eq!(got.as_deref(), title, "{name}");
        assert_eq!(
            (state.card_version, state.deleted),
            (version, deleted),
            "{name}"
        );
    }
}

#[test]
fn the_moment_of_creation_stays() {
    let state = fed(vec![upsert(1, "a"), upsert(2, "b")])
        .product(&product("p"))
        .unwrap();
    assert_eq!(state.card.unwrap().created_at, EventTime(1));
}

#[test]
fn every_level_of_the_category_hears_of_it() {
    let driver = fed(vec![
        interaction(0),
        upsert(1, "a"),
        interaction(1),
        interaction(2),
    ]);
    for (category, count) in [("electronics", 2), ("electronics.audio", 2), ("audio", 0)] {
        let value = driver.product_value(&ProductKey::Category(category.into()));
        let got = match value {
            Some(ProductValue::Category(state)) => state.counters.of("view"),
            _ => 0,
        };
        assert_eq!(got, count, "{category}");
    }
    assert_eq!(
        driver.product(&product("p")).unwrap().counters.of("view"),
        3
    );
}

#[test]
fn a_category_too_long_for_a_key_is_left_out() {
    let long = "x".repeat(300);
    let product = card("a", &["electronics", &long, "audio"], 1);
    let driver = fed(vec![
        ProductRecord::Upsert {
            version: 1,
            product,
        },
        interaction(0),
    ]);
    let records: Vec<ProductEnvelope> = driver.decoded(Topic::ProductSignals);
    assert_eq!(records.len(), 3);
}

#[test]
fn ban_cases() {
    let target = BanTarget::Product(product("p"));
    let ban = |version, banned| ProductRecord::Ban {
        version,
        target: target.clone(),
        banned,
    };
    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<ProductRecord>, u64, bool)> = vec![
        ("banned",       vec![ban(1, true)],                 1, true),
        ("lifted",       vec![ban(1, true), ban(2, false)],  2, false),
        ("out of order", vec![ban(2, false), ban(1, true)],  2, false),
    ];
    for (name, records, version, banned) in cases {
        let got = fed(records).product_value(&ProductKey::Ban(target.clone()));
        assert_eq!(got, Some(ProductValue::Ban { version, banned }), "{name}");
    }
}

proptest! {
    /// Whatever the numbers in a record, nothing panics and interest stays a number.
    #[test]
    fn no_number_hurts(interest in any::<f32>(), weight in any::<f32>(), at in any::<i64>()) {
        let driver = fed(vec![
            ProductRecord::Interaction {
                product: product("p"),
                kind: KindTag(200),
                interest,
                at: EventTime(at),
                value: None,
                pieces: 1,
                visitor: None,
            },
            ProductRecord::CoVisit {
                product: product("p"),
                neighbour: product("q"),
                weight,
                at: EventTime(at),
                bought: false,
            },
            interaction(0),
        ]);
        let state = driver.product(&product("p")).unwrap();
        prop_assert!(state.interest.value(1e9, EventTime(START)).is_finite());
    }
}
