//! Products held against bans: each ban from its own position on.

use crate::alone::Alone;
use proptest::prelude::*;
use std::collections::BTreeMap;
use vitrina_stream::ShopStage;
use vitrina_stream::bounds::LIFTED_MAX;
use vitrina_types::ban::{BanTarget, Filtered};
use vitrina_types::id::{ProductId, Sku};
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ShopEnvelope, ShopRecord};
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

fn offered(id: &str, sku: &str, brand: &str, title: &str) -> ShopRecord {
    let text = |text: &str| (!text.is_empty()).then(|| Box::from(text));
    ShopRecord::Offered(Box::new(Product {
        sku: Sku::new(sku).ok(),
        brand: text(brand),
        title: text(title),
        ..Product::bare(ProductId::new(id).unwrap(), EventTime(1))
    }))
}

fn ban(version: u64, id: &str, banned: bool) -> ShopRecord {
    ShopRecord::Ban {
        version,
        target: BanTarget::from_id(id).unwrap(),
        banned,
    }
}

/// The record at this place of the log: the place is its time.
fn at(place: usize, record: ShopRecord) -> ShopEnvelope {
    ShopEnvelope {
        ingest_time: IngestTime(place as i64),
        record,
    }
}

fn fed(records: &[ShopRecord]) -> Alone<ShopStage> {
    let mut alone = Alone::new(ShopStage, 5);
    for (place, record) in records.iter().enumerate() {
        alone.push(&at(place, record.clone()));
    }
    alone
}

/// What passed, and what was held with its time and its ban, in order.
type Outcome = (Vec<Product>, Vec<Filtered>);

fn outcome(alone: &Alone<ShopStage>) -> Outcome {
    let passed = alone.sent::<Product>(Topic::FilteredProducts);
    for (partition, product) in &passed {
        assert_eq!(*partition, Partition::of(product.product_id.as_str()));
    }
    let held = alone.sent::<Filtered>(Topic::FilteredEvents);
    assert!(held.iter().all(|(partition, _)| *partition == Partition(0)));
    let passed = passed.into_iter().map(|(_, product)| product);
    (
        passed.collect(),
        held.into_iter().map(|(_, held)| held).collect(),
    )
}

/// The same by its definition: the newest change of each ban so far, each asked on its own.
fn naive(records: &[ShopRecord]) -> Outcome {
    let mut newest: BTreeMap<String, (u64, bool)> = BTreeMap::new();
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for (place, record) in records.iter().enumerate() {
        match record {
            ShopRecord::Ban {
                version,
                target,
                banned,
            } => {
                let known = newest.entry(target.id()).or_insert((0, false));
                if *version > known.0 {
                    *known = (*version, *banned);
                }
            }
            ShopRecord::Offered(product) => {
                let mut in_force = newest.iter().filter(|(_, known)| known.1);
                let first = in_force.find(|(id, _)| BanTarget::from_id(id).unwrap().holds(product));
                match first {
                    Some((id, _)) => held.push(Filtered {
                        ingest_time: IngestTime(place as i64),
                        ban: id.as_str().into(),
                        product: product.clone(),
                    }),
                    None => passed.push((**product).clone()),
                }
            }
        }
    }
    (passed, held)
}

#[test]
fn each_kind_of_ban_holds_what_it_says() {
    let phone = || offered("p", "SM-1", "Acme", "Часы: точная копия");
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], Option<&str>)] = &[
        ("nothing",          &[],                                    None),
        ("its id",           &["product:p"],                         Some("product:p")),
        ("another id",       &["product:q"],                         None),
        ("its sku",          &["sku:SM-1"],                          Some("sku:SM-1")),
        ("a sku is exact",   &["sku:sm-1"],                          None),
        ("its brand",        &["brand:ACME"],                        Some("brand:ACME")),
        ("its title",        &["pattern:ЧАСЫ*копия"],                Some("pattern:ЧАСЫ*копия")),
        ("another title",    &["pattern:копия*часы"],                None),
        ("the first of all", &["sku:SM-1", "product:p", "brand:acme", "brand:ACME"], Some("brand:ACME")),
        ("the first kind",   &["sku:SM-1", "product:p", "pattern:часы"], Some("pattern:часы")),
        ("id before sku",    &["sku:SM-1", "product:p"],             Some("product:p")),
    ];
    for (name, bans, want) in cases {
        let mut records: Vec<_> = bans.iter().map(|id| ban(1, id, true)).collect();
        records.push(phone());
        let mut alone = fed(&records);
        alone.run();
        let (passed, held) = outcome(&alone);
        let got = held.first().map(|held| &*held.ban);
        assert_eq!(
            (got, passed.len()),
            (*want, usize::from(want.is_none())),
            "{name}"
        );
    }
}

#[test]
fn a_ban_holds_from_its_place_to_that_of_its_lifting() {
    let phone = || offered("p", "", "Acme", "");
    let records = [
        phone(),
        ban(1, "brand:acme", true),
        phone(),
        ban(1, "product:p", true),
        ban(2, "brand:acme", false),
        phone(),
        ban(2, "product:p", false),
        phone(),
        ban(1, "product:p", true),
        phone(),
        ban(3, "product:p", true),
        phone(),
    ];
    let mut alone = fed(&records);
    alone.run();
    let (passed, held) = outcome(&alone);
    let held: Vec<_> = held.iter().map(|h| (h.ingest_time.0, &*h.ban)).collect();
    assert_eq!(
        held,
        [(2, "brand:acme"), (5, "product:p"), (11, "product:p")]
    );
    assert_eq!(passed.len(), 3, "an old version sets nothing again");
}

/// A ban reaches each partition at a place of its own, and holds there from that place on.
#[test]
fn partitions_hear_of_a_ban_at_different_places() {
    for (before, after) in [(0, 5), (2, 3), (5, 0)] {
        let mut records = vec![offered("p", "", "", ""); before];
        records.push(ban(1, "product:p", true));
        records.extend(vec![offered("p", "", "", ""); after]);
        let mut alone = fed(&records);
        alone.run();
        let (passed, held) = outcome(&alone);
        assert_eq!((passed.len(), held.len()), (before, after));
    }
}

#[test]
fn lifted_bans_are_remembered_up_to_a_bound() {
    let id = |number: usize| format!("product:{number}");
    // One that was lifted and set again is not among them.
    let mut records = vec![ban(1, "sku:kept", false), ban(9, "sku:kept", true)];
    for number in 0..LIFTED_MAX + 2 {
        records.push(ban(number as u64 + 1, &id(number), false));
    }
    let mut alone = fed(&records);
    alone.run();
    assert_eq!(alone.keys().len(), LIFTED_MAX + 1);
    assert!(alone.keys().contains(&"~r/b/sku:kept"));
    // The two forgotten ones are as if they had never been.
    for number in [0, 1, 2] {
        alone.push(&at(0, ban(1, &id(number), true)));
        alone.push(&at(0, offered(&number.to_string(), "", "", "")));
    }
    alone.run();
    let (passed, held) = outcome(&alone);
    assert_eq!((passed.len(), held.len()), (1, 2));
}

#[test]
fn keys_of_the_longest_bans_fit_a_state_store() {
    let long = "я".repeat(64);
    let ids = ["product", "sku", "brand", "pattern"].map(|kind| format!("{kind}:{long}"));
    let records: Vec<_> = ids.iter().map(|id| ban(1, id, true)).collect();
    let mut alone = fed(&records);
    alone.run();
    let longest = alone.keys().into_iter().map(str::len).max().unwrap();
    assert_eq!(longest, "~r/b/pattern:".len() + 128);
}

fn any_record() -> impl Strategy<Value = ShopRecord> {
    const BANS: [&str; 9] = [
        "product:p",
        "product:q",
        "sku:s1",
        "sku:s2",
        "brand:ACME",
        "brand:acme",
        "brand:Ёж",
        "pattern:a*e",
        "pattern:часы",
    ];
    let product =
        (0usize..3, 0usize..3, 0usize..4, 0usize..3).prop_map(|(id, sku, brand, title)| {
            offered(
                ["p", "q", "r"][id],
                ["", "s1", "s2"][sku],
                ["", "Acme", "ЁЖ", "еж"][brand],
                ["", "Часы", "a tree"][title],
            )
        });
    let bans = (0..BANS.len(), 0u64..6, any::<bool>())
        .prop_map(|(id, version, banned)| ban(version, BANS[id], banned));
    prop_oneof![product, bans]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Bans that change meanwhile hold exactly from their places on, also across restarts: a
    /// task that stops anywhere sends and keeps what one that never stopped does.
    #[test]
    fn holding_equals_its_definition(
        records in prop::collection::vec(any_record(), 0..80),
        breaks in prop::collection::vec((1usize..9, any::<bool>()), 0..8),
    ) {
        let (mut calm, mut shaken) = (fed(&records), fed(&records));
        calm.run();
        shaken.run_shaken(&breaks);
        // Within a partition the order is kept; over all of them it is that of the partitions.
        let (mut passed, held) = naive(&records);
        let (mut got_passed, got_held) = outcome(&calm);
        for products in [&mut passed, &mut got_passed] {
            products.sort_by_key(|product| Partition::of(product.product_id.as_str()));
        }
        prop_assert_eq!((got_passed, got_held), (passed, held));
        prop_assert_eq!(shaken.all_sent(), calm.all_sent());
        prop_assert_eq!(shaken.store(), calm.store());
    }
}
