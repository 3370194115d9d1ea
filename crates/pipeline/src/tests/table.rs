//! The item table: what a change makes visible.

use super::world::{DAY, NOW, World, card, id, query};
use crate::config::PipelineConfig;
use crate::items::{ItemConfig, ItemTable};
use crate::{Reason, Scratch, recommend};
use vitrina_types::ban::BanTarget;
use vitrina_types::decayed::DecayedCount;
use vitrina_types::event::Counters;
use vitrina_types::id::Sku;
use vitrina_types::state::{CategoryState, ProductKey, ProductState, ProductValue};
use vitrina_types::time::EventTime;

fn shown(world: &World) -> Vec<String> {
    let config = PipelineConfig::default();
    let (slate, _) = recommend(
        &query("home", 200),
        None,
        &world.items,
        &config,
        &mut Scratch::default(),
    );
    let ids = slate
        .items
        .iter()
        .map(|item| world.items.id(item.product).unwrap().to_string());
    let mut ids: Vec<_> = ids.collect();
    ids.sort();
    ids
}

#[test]
fn a_ban_by_sku_hits_later_products() {
    let mut world = World::new();
    let (sku, other) = (Sku::new("s1").unwrap(), Sku::new("s2").unwrap());
    let with = |name: &str, sku: &Sku| {
        let mut card = card(&id(name), "a", "x", 1.0);
        card.sku = Some(sku.clone());
        card
    };
    world.put(with("before", &sku));
    world.put(with("other", &other));
    assert_eq!(shown(&world), ["before", "other"]);
    world.ban(BanTarget::Sku(sku.clone()), true);
    world.put(with("after", &sku));
    assert_eq!(shown(&world), ["other"]);
    assert!(
        world
            .items
            .facts(world.items.find("after").unwrap())
            .is_banned()
    );
    world.put(with("before", &other));
    assert_eq!(
        shown(&world),
        ["before", "other"],
        "a product that changed its sku is free"
    );
    world.ban(BanTarget::Product(id("other")), true);
    world.ban(BanTarget::Sku(sku), false);
    assert_eq!(shown(&world), ["after", "before"]);
    world
        .items
        .apply(&ProductKey::Ban(BanTarget::Product(id("other"))), None);
    assert_eq!(
        shown(&world),
        ["after", "before", "other"],
        "a ban forgotten is lifted"
    );
}

#[test]
fn a_ban_hits_a_product_not_yet_heard_of() {
    let mut world = World::new();
    world.ban(BanTarget::Product(id("p")), true);
    assert_eq!(world.items.ban_version("product:p"), 1);
    assert_eq!(world.items.ban_version("sku:p"), 0);
    assert_eq!(world.items.ban_version("nonsense"), 0);
    world.put(card(&id("p"), "a", "x", 1.0));
    world.put(card(&id("q"), "a", "x", 1.0));
    assert_eq!(shown(&world), ["q"]);
}

/// A ban on a brand or a text keeps products out of the next answer, also those that come or
/// change later; a product held by several bans is free when the last of them is lifted.
#[test]
fn a_ban_by_text_hits_every_product_that_it_describes() {
    let mut world = World::new();
    let with = |name: &str, brand: &str, title: &str, description: &str| {
        let mut card = card(&id(name), "a", brand, 1.0);
        card.title = Some(title.into());
        card.description = Some(description.into());
        card
    };
    let pattern = |text: &str| BanTarget::Pattern(text.into());
    world.put(with("p", "Acme", "Часы", "точная копия"));
    world.put(with("q", "Other", "Часы", "из стали"));
    world.ban(BanTarget::Brand("ACME".into()), true);
    assert_eq!(shown(&world), ["q"], "a brand, whatever the case");
    world.ban(pattern("ТОЧНАЯ*копия"), true);
    world.ban(BanTarget::Brand("ACME".into()), false);
    assert_eq!(shown(&world), ["q"], "still held by its description");
    world.put(with("r", "Other", "Точная новая копия", ""));
    assert_eq!(shown(&world), ["q"], "a product that came after the ban");
    world.put(with("q", "Other", "Часы", "точная же копия"));
    assert_eq!(shown(&world), [""; 0], "a product that changed");
    world.put(with("r", "Other", "Часы", ""));
    assert_eq!(shown(&world), ["r"], "a product that changed back");
    world.ban(pattern("ТОЧНАЯ*копия"), true);
    world.ban(pattern("ТОЧНАЯ*копия"), false);
    assert_eq!(shown(&world), ["p", "q", "r"], "set twice is lifted once");
    world.ban(pattern("часы"), true);
    world.ban(BanTarget::Product(id("p")), true);
    world.ban(pattern("часы"), false);
    assert_eq!(shown(&world), ["q", "r"], "held by its id as well");
    world.ban(pattern("часы"), true);
    world.delete(&id("q"));
    world.items.apply(&ProductKey::Ban(pattern("часы")), None);
    assert_eq!(shown(&world), ["r"], "a deleted product is held by nothing");
}

#[test]
fn a_product_created_now_is_a_new_arrival() {
    let mut world = World::new();
    for name in ["old1", "old2", "old3"] {
        world.put(card(&id(name), "a", "x", 1.0));
        world.interest(&id(name), NOW, 3.0);
    }
    let mut fresh = card(&id("fresh"), "a", "y", 1.0);
    fresh.created_at = NOW;
    world.put(fresh);
    let first = world.items.new_arrivals(None).next();
    assert_eq!(first, world.items.find("fresh"));
    assert_eq!(
        world
            .items
            .new_arrivals(world.items.find_category("a"))
            .next(),
        first
    );
    let config = PipelineConfig::default();
    let (slate, _) = recommend(
        &query("home", 4),
        None,
        &world.items,
        &config,
        &mut Scratch::default(),
    );
    let item = slate
        .items
        .iter()
        .find(|item| Some(item.product) == first)
        .unwrap();
    assert_eq!((item.source, item.reason), ("new_arrivals", Reason::New));
}

#[test]
fn a_product_belongs_to_every_level_of_its_category() {
    let mut world = World::new();
    world.put(card(&id("p"), "a.b.c", "x", 1.0));
    world.put(card(&id("q"), "a.d", "x", 1.0));
    let products = |world: &World, path: &str| {
        let ix = world.items.find_category(path).unwrap();
        world.items.category(ix).unwrap().products()
    };
    assert_eq!(
        ["a", "a.b", "a.b.c", "a.d"].map(|path| products(&world, path)),
        [2, 1, 1, 1]
    );
    world.put(card(&id("p"), "a.d", "x", 1.0));
    assert_eq!(
        ["a", "a.b", "a.b.c", "a.d"].map(|path| products(&world, path)),
        [2, 0, 0, 2]
    );
    world.delete(&id("q"));
    assert_eq!(
        ["a", "a.b", "a.b.c", "a.d"].map(|path| products(&world, path)),
        [1, 0, 0, 1]
    );
}

#[test]
fn versions_tell_what_is_visible() {
    let mut world = World::new();
    assert_eq!(world.items.card_version("p"), 0);
    world.put(card(&id("p"), "a", "x", 1.0));
    assert_eq!(world.items.card_version("p"), 1);
    world.delete(&id("p"));
    assert_eq!(world.items.card_version("p"), 2);
    let ix = world.items.find("p").unwrap();
    assert!(world.items.facts(ix).is_deleted() && world.items.card(ix).unwrap().card.is_none());
    world.put(card(&id("p"), "a", "x", 2.0));
    assert_eq!(world.items.find("p"), Some(ix), "a number once given stays");
    assert_eq!(world.items.card(ix).unwrap().shown_as(), "x · a · p");
    assert_eq!(world.items.card(ix).unwrap().category, Some("a"));
}

#[test]
fn products_without_a_card_are_shown_only_where_that_is_wanted() {
    for (show_without_card, want) in [(true, 1), (false, 0)] {
        let config = ItemConfig {
            show_without_card,
            ..ItemConfig::default()
        };
        let mut items = ItemTable::new(config);
        let value = ProductValue::Product(Box::default());
        items.apply(&ProductKey::Product(id("p")), Some(&value));
        assert_eq!(items.offered_len(), want, "{show_without_card}");
    }
}

#[test]
fn a_neighbour_that_nobody_described_is_never_shown() {
    let mut world = World::new();
    world.put(card(&id("p"), "a", "x", 1.0));
    world.change(&id("p"), |state| {
        state.covisits.add(&id("ghost"), 5.0, NOW, 1e9, 50);
    });
    assert_eq!(world.items.len(), 2);
    let mut asked = query("similar", 10);
    asked.product = Some(id("p"));
    let config = PipelineConfig::default();
    let (slate, trace) = recommend(&asked, None, &world.items, &config, &mut Scratch::default());
    assert!(slate.items.is_empty());
    let why = crate::why(&slate, &trace, &world.items);
    let ghost = why
        .removed
        .iter()
        .find(|e| e.product_id == id("ghost"))
        .unwrap();
    assert_eq!(ghost.removed_by, Some("unknown"));
    assert_eq!(ghost.reason.product_id, Some(id("p")));
}

#[test]
fn neighbours_are_sorted_and_change_with_the_state() {
    let mut world = World::new();
    let half_life_ms = world.items.config().covisit_half_life_ms;
    world.change(&id("p"), |state| {
        state.covisits.add(
            &id("old"),
            4.0,
            EventTime(NOW.0 - half_life_ms as i64 * 2),
            half_life_ms,
            50,
        );
        state.covisits.add(&id("new"), 2.0, NOW, half_life_ms, 50);
    });
    let p = world.items.find("p").unwrap();
    let names = |world: &World| -> Vec<(String, f32)> {
        let list = world.items.covisits(p).iter();
        list.map(|&(ix, w)| (world.items.id(ix).unwrap().to_string(), w))
            .collect()
    };
    // 4 two half-lives ago is 1 now: half of 2; and 2 meetings weigh 2 / (2 + 1).
    let close = |(got, want): (&(String, f32), (&str, f32))| {
        got.0 == want.0 && (got.1 - want.1).abs() < 1e-6
    };
    let got = names(&world);
    assert!(
        got.iter()
            .zip([("new", 2.0 / 3.0), ("old", 1.0 / 3.0)])
            .all(close),
        "{got:?}"
    );
    world.change(&id("p"), |state| {
        state.covisits.add(&id("old"), 3.0, NOW, half_life_ms, 50);
    });
    let got = names(&world);
    assert!(
        got.iter().zip([("old", 0.8), ("new", 0.4)]).all(close),
        "{got:?}"
    );
    world.change(&id("p"), |state| state.covisits = Default::default());
    assert!(names(&world).is_empty());
}

#[test]
fn a_category_shows_its_own_state() {
    let mut items = ItemTable::default();
    let mut state = CategoryState::default();
    state.interest.add(DAY as f64, NOW, 8.0);
    items.apply(
        &ProductKey::Category("a.b".into()),
        Some(&ProductValue::Category(state.clone())),
    );
    let rows: Vec<_> = items
        .categories()
        .map(|row| (row.path(), row.interest(DAY as f64, NOW)))
        .collect();
    assert_eq!(rows, [("a", 0.0), ("a.b", 8.0)]);
    items.apply(&ProductKey::Category("a.b".into()), None);
    assert!(
        items
            .categories()
            .all(|row| row.interest(DAY as f64, NOW) == 0.0)
    );
}

#[test]
fn a_value_under_a_foreign_key_is_ignored() {
    let mut items = ItemTable::default();
    let ban = ProductValue::Ban {
        version: 1,
        banned: true,
    };
    items.apply(&ProductKey::Product(id("p")), Some(&ban));
    items.apply(&ProductKey::Product(id("p")), None);
    assert!(items.is_empty());
}

#[test]
fn a_full_state_replaces_the_one_before() {
    let mut world = World::new();
    world.put(card(&id("p"), "a", "x", 1.0));
    world.interest(&id("p"), NOW, 5.0);
    let ix = world.items.find("p").unwrap();
    assert!(world.items.interest(ix, NOW) > 0.0 && world.items.seen(ix).is_some());
    world.change(&id("p"), |state| {
        *state = ProductState {
            card: state.card.take(),
            card_version: 1,
            ..ProductState::default()
        }
    });
    assert_eq!(world.items.interest(ix, NOW), 0.0);
    assert_eq!(world.items.counters(ix), Counters::default());
    assert_eq!(
        world.items.facts(ix).interest_key,
        DecayedCount::default().rank_key(1.0)
    );
    assert!(world.items.seen(ix).is_none() && world.items.memory_bytes() > 0);
}
