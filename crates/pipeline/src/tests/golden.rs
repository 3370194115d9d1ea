//! Golden slates: a small shop, and exactly what it shows.
//!
//! After a wanted change run the tests with `VITRINA_REWRITE_GOLDEN=1` and read the difference.

use super::world::{DAY, NOW, World, card, id, met_at, query};
use crate::config::PipelineConfig;
use crate::query::{Purpose, Query};
use crate::{Scratch, recommend, why};
use std::fmt::Write;
use vitrina_types::ban::BanTarget;
use vitrina_types::money::Amount;
use vitrina_types::state::{Purchased, UserState};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/slates.txt");

#[rustfmt::skip]
const PRODUCTS: [(&str, &str, &str, f64, f32); 16] = [
    ("phone-a",   "electronics.phones",     "Alpha", 600.0, 90.0),
    ("phone-b",   "electronics.phones",     "Beta",  500.0, 60.0),
    ("phone-c",   "electronics.phones",     "Alpha", 300.0, 25.0),
    ("phone-old", "electronics.phones",     "Gamma", 100.0,  2.0),
    ("case-a",    "electronics.cases",      "Alpha",  20.0, 30.0),
    ("case-b",    "electronics.cases",      "Delta",  10.0, 12.0),
    ("charger",   "electronics.chargers",   "Delta",  15.0, 40.0),
    ("buds",      "electronics.audio.buds", "Beta",   80.0, 50.0),
    ("speaker",   "electronics.audio",      "Beta",  120.0, 18.0),
    ("sofa",      "home.sofas",             "Hearth", 900.0, 22.0),
    ("lamp",      "home.lamps",             "Hearth",  45.0, 15.0),
    ("rug",       "home.rugs",              "Weft",    75.0,  9.0),
    ("kettle",    "kitchen.kettles",        "Delta",   35.0, 33.0),
    ("mug",       "kitchen.mugs",           "",         8.0,  5.0),
    ("sold-out",  "electronics.phones",     "Alpha",  650.0, 99.0),
    ("banned",    "electronics.phones",     "Beta",   550.0, 95.0),
];

fn shop() -> World {
    let mut world = World::new();
    for (name, category, brand, price, interest) in PRODUCTS {
        let mut card = card(&id(name), category, brand, price);
        card.stock = (name == "sold-out").then_some(0);
        world.put(card);
        world.interest(&id(name), NOW.plus_ms(-DAY), interest);
    }
    let mut fresh = card(&id("phone-new"), "electronics.phones", "Gamma", 700.0);
    fresh.created_at = NOW.plus_ms(-1_000);
    world.put(fresh);
    world.ban(BanTarget::Product(id("banned")), true);
    for (a, b, weight) in [
        ("phone-a", "phone-b", 6.0),
        ("phone-a", "case-a", 4.0),
        ("phone-a", "sold-out", 5.0),
        ("phone-b", "banned", 5.0),
        ("phone-b", "buds", 2.0),
        ("sofa", "rug", 3.0),
        ("sofa", "lamp", 2.0),
    ] {
        world.met(&id(a), &id(b), weight, false);
    }
    for (a, b, weight) in [
        ("phone-a", "case-a", 5.0),
        ("phone-a", "charger", 3.0),
        ("kettle", "mug", 2.0),
    ] {
        world.met(&id(a), &id(b), weight, true);
    }
    world
}

fn shopper() -> UserState {
    UserState {
        history: vec![
            met_at(&id("kettle"), 60, 32),
            met_at(&id("sofa"), 30, 4),
            met_at(&id("phone-b"), 2, 4),
            met_at(&id("phone-a"), 1, 16),
        ],
        purchased: vec![Purchased {
            product: id("kettle"),
            at: NOW.plus_ms(-60 * 3_600_000),
        }],
        ..UserState::default()
    }
}

fn queries() -> Vec<(&'static str, Query, bool)> {
    let with = |placement, limit, change: &dyn Fn(&mut Query)| {
        let mut query = query(placement, limit);
        change(&mut query);
        query
    };
    let similar = |q: &mut Query| (q.purpose, q.product) = (Purpose::Similar, Some(id("phone-a")));
    let bought =
        |q: &mut Query| (q.purpose, q.product) = (Purpose::BoughtTogether, Some(id("phone-a")));
    let phones = |q: &mut Query| q.filter.categories = vec!["electronics.phones".into()];
    let cheap = |q: &mut Query| q.filter.max_price = Some(Amount::from_units(50.0).unwrap());
    vec![
        ("a visitor with a history", query("home", 6), true),
        ("a cold start", query("home", 6), false),
        (
            "a cold start beside a product",
            with("product", 5, &|q| q.product = Some(id("sofa"))),
            false,
        ),
        (
            "a cart",
            with("cart", 4, &|q| q.cart = vec![id("phone-a")]),
            true,
        ),
        ("similar to a product", with("similar", 5, &similar), false),
        (
            "bought together",
            with("bought_together", 4, &bought),
            false,
        ),
        ("one category", with("home", 10, &phones), true),
        ("cheap", with("home", 10, &cheap), true),
    ]
}

fn written() -> String {
    let (world, shopper, config) = (shop(), shopper(), PipelineConfig::default());
    let (mut text, mut scratch) = (String::new(), Scratch::default());
    for (name, query, known) in queries() {
        let user = known.then_some(&shopper);
        let (slate, trace) = recommend(&query, user, &world.items, &config, &mut scratch);
        let explained = why(&slate, &trace, &world.items);
        writeln!(text, "# {name}").unwrap();
        for shown in &explained.shown {
            let about = shown.reason.product_id.as_ref().map(ToString::to_string);
            let about = about.or(shown.reason.category.as_ref().map(ToString::to_string));
            let (score, product) = (shown.score, &shown.product_id);
            let reason = format!("{} {}", shown.reason.kind, about.unwrap_or_default());
            let line = format!("{score:.4} {product:<10} {:<17} {reason}", shown.source);
            writeln!(text, "{}", line.trim_end()).unwrap();
        }
        for removed in &explained.removed {
            writeln!(
                text,
                "  - {} {}",
                removed.product_id,
                removed.removed_by.unwrap()
            )
            .unwrap();
        }
        writeln!(text).unwrap();
    }
    text
}

#[test]
#[allow(clippy::disallowed_methods)] // The golden file is the one thing this crate's tests touch.
fn slates_are_as_written() {
    let got = written();
    if std::env::var("VITRINA_REWRITE_GOLDEN").is_ok() {
        std::fs::write(PATH, &got).unwrap();
    }
    let want = std::fs::read_to_string(PATH).unwrap_or_default();
    assert_eq!(
        got, want,
        "run with VITRINA_REWRITE_GOLDEN=1 when the change is wanted"
    );
}
