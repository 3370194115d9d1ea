//! Rankings equal a naive sort of everything, whatever happened before.

use super::world::{DAY, Dice, NOW, World, card, numbered};
use crate::items::{CategoryIx, Facts, ItemTable, RANKED_MAX};
use proptest::prelude::*;
use vitrina_types::ban::BanTarget;
use vitrina_types::decayed::Window;
use vitrina_types::id::ProductIx;
use vitrina_types::time::EventTime;

/// Every product that can be shown and lies in `category`, best key first, then by number.
fn sorted_by(
    items: &ItemTable,
    category: Option<CategoryIx>,
    key: impl Fn(&Facts) -> Option<f64>,
) -> Vec<ProductIx> {
    let mut all: Vec<(f64, ProductIx)> = (0..items.len() as u32)
        .map(|ix| (items.facts(ProductIx(ix)), ProductIx(ix)))
        .filter(|(facts, _)| facts.is_rankable())
        .filter(|(facts, _)| category.is_none_or(|c| items.is_within(facts.category(), c)))
        .filter_map(|(facts, ix)| key(facts).map(|key| (key, ix)))
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    all.into_iter().map(|(_, ix)| ix).collect()
}

fn check(world: &World) {
    let items = &world.items;
    let half_life_ms = items.config().interest_half_life_ms;
    let whole = std::iter::once(None);
    let each = (0..items.categories().len() as u32).map(|ix| Some(CategoryIx(ix)));
    for category in whole.chain(each) {
        let want = sorted_by(items, category, |facts| Some(facts.interest_key));
        let got: Vec<_> = items.popular(category).collect();
        assert!(
            got.len() >= want.len().min(RANKED_MAX / 2),
            "{category:?}: too short"
        );
        assert_eq!(got, want[..got.len()], "{category:?}");
        let row = category.and_then(|ix| items.category(ix));
        assert_eq!(
            row.map_or(items.offered_len(), |row| row.products()),
            want.len()
        );
        if row.is_none_or(|row| !row.parent().is_some()) {
            let created = |facts: &Facts| facts.created_at().map(|at| at.0 as f64);
            let want = sorted_by(items, category, created);
            let got: Vec<_> = items.new_arrivals(category).collect();
            assert!(
                got.len() >= want.len().min(RANKED_MAX / 2),
                "{category:?}: too short"
            );
            assert_eq!(got, want[..got.len()], "arrivals of {category:?}");
        }
    }
    for (product, state) in &world.states {
        let ix = items.find(product.as_str()).unwrap();
        assert_eq!(
            items.facts(ix).interest_key,
            state.interest.rank_key(half_life_ms)
        );
        // Whatever the table says of a product follows from its state and the bans.
        let showable = items.facts(ix).is_rankable() && items.facts(ix).is_offered(NOW);
        assert_eq!(showable, world.is_showable(product, NOW), "{product}");
    }
}

fn check_windows(world: &World) {
    let items = &world.items;
    for window in Window::ALL {
        for category in [None, items.find_category("a"), items.find_category("a.b")] {
            let mut want: Vec<(f32, ProductIx)> = (0..items.len() as u32)
                .map(ProductIx)
                .filter(|ix| items.facts(*ix).is_rankable() && items.facts(*ix).is_offered(NOW))
                .filter(|ix| {
                    category.is_none_or(|c| items.is_within(items.facts(*ix).category(), c))
                })
                .map(|ix| (items.windowed(ix, window, NOW), ix))
                .filter(|(sum, _)| *sum > 0.0)
                .collect();
            want.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            for limit in [0, 1, 5, 1_000] {
                let got = items.top_in_window(window, NOW, category, limit);
                let want = want.iter().take(limit).map(|&(sum, ix)| (ix, sum));
                assert_eq!(
                    got,
                    want.collect::<Vec<_>>(),
                    "{window:?} {category:?} {limit}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// After any changes, rankings are the sorted whole.
    #[test]
    fn rankings_equal_a_full_sort(seed: u64, products in 1usize..80) {
        let mut world = World::drawn(seed, products);
        check(&world);
        let mut dice = Dice::new(seed);
        for _ in 0..100 {
            world.shake(&mut dice, products);
        }
        check(&world);
        check_windows(&world);
    }
}

/// More products than a ranking holds: members come and go behind its end, and it is repaired
/// when it has become too short.
#[test]
fn rankings_survive_more_members_than_they_hold() {
    const PRODUCTS: usize = 3 * RANKED_MAX;
    let mut world = World::new();
    let mut dice = Dice::new(7);
    for number in 0..PRODUCTS {
        let category = ["a.b", "a.b", "a.c"][number % 3];
        let mut card = card(&numbered(number), category, "x", 1.0);
        card.created_at = EventTime(NOW.0 - (number * 7 % 50) as i64 * DAY);
        world.put(card);
        world.interest(&numbered(number), NOW, 1.0 + dice.throw(50) as f32);
    }
    check(&world);
    for round in 0..6 {
        for _ in 0..400 {
            let product = numbered(dice.throw(PRODUCTS));
            world.interest(&product, NOW.plus_ms(-(dice.throw(1_000) as i64)), 5.0);
        }
        check(&world);
        // The best leave, by every way there is.
        let best: Vec<_> = world.items.popular(None).take(200).collect();
        for (ix, way) in best.into_iter().zip(0..) {
            let product = world.items.id(ix).unwrap().clone();
            match way % 4 {
                0 => world.delete(&product),
                1 => world.forget(&product),
                2 => world.ban(BanTarget::Product(product), round % 2 == 0),
                _ => world.change(&product, |state| {
                    state.interest = Default::default();
                    state.windows = Default::default();
                }),
            }
        }
        check(&world);
        check_windows(&world);
    }
}
