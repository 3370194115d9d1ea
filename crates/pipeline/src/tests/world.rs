//! A small shop to test in: products, visitors and queries, drawn from a seed.

use crate::items::{ItemConfig, ItemTable};
use crate::query::{Purpose, Query};
use crate::view::mix;
use std::collections::BTreeMap;
use vitrina_types::ban::BanTarget;
use vitrina_types::event::KindTag;
use vitrina_types::id::{PlacementId, ProductId, Sku};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::state::{
    HistoryEntry, ProductKey, ProductState, ProductValue, Purchased, UserState,
};
use vitrina_types::time::EventTime;

pub(super) const NOW: EventTime = EventTime(1_700_000_000_000);
pub(super) const HOUR: i64 = 3_600_000;
pub(super) const DAY: i64 = 24 * HOUR;

/// Random numbers that depend on nothing but the seed.
pub(super) struct Dice {
    seed: u64,
    throws: u32,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, throws: 0 }
    }

    /// `0..sides`.
    pub(super) fn throw(&mut self, sides: usize) -> usize {
        self.throws += 1;
        (mix(self.seed, self.throws) % sides.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, sides: usize) -> bool {
        self.throw(sides) == 0
    }
}

pub(super) fn id(name: &str) -> ProductId {
    ProductId::new(name).unwrap()
}

pub(super) fn numbered(number: usize) -> ProductId {
    id(&format!("p{number}"))
}

/// A product as a shop would describe it: `category` dotted.
pub(super) fn card(product: &ProductId, category: &str, brand: &str, price: f64) -> Product {
    let mut card = Product::bare(product.clone(), EventTime(NOW.0 - 100 * DAY));
    card.category_path = category
        .split('.')
        .filter(|l| !l.is_empty())
        .map(Into::into)
        .collect();
    card.brand = (!brand.is_empty()).then(|| brand.into());
    card.price = Some(Amount::from_units(price).unwrap());
    card.currency = Some(Currency::USD);
    card
}

/// The states of all products, as the stream would hold them, and the table that took them.
pub(super) struct World {
    pub(super) states: BTreeMap<ProductId, ProductState>,
    pub(super) bans: BTreeMap<BanTarget, bool>,
    pub(super) items: ItemTable,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            states: BTreeMap::new(),
            bans: BTreeMap::new(),
            items: ItemTable::new(ItemConfig::default()),
        }
    }

    /// Changes the state of a product and tells the table.
    pub(super) fn change(&mut self, product: &ProductId, change: impl FnOnce(&mut ProductState)) {
        let state = self.states.entry(product.clone()).or_default();
        change(state);
        let value = ProductValue::Product(Box::new(state.clone()));
        self.items
            .apply(&ProductKey::Product(product.clone()), Some(&value));
    }

    /// The catalogue has a new version of a product.
    pub(super) fn put(&mut self, card: Product) {
        self.change(&card.product_id.clone(), |state| {
            state.card_version += 1;
            state.deleted = false;
            state.card = Some(Box::new(card));
        });
    }

    pub(super) fn delete(&mut self, product: &ProductId) {
        self.change(product, |state| {
            state.card_version += 1;
            state.deleted = true;
            state.card = None;
        });
    }

    /// The state of a product is forgotten.
    pub(super) fn forget(&mut self, product: &ProductId) {
        self.states.remove(product);
        self.items
            .apply(&ProductKey::Product(product.clone()), None);
    }

    pub(super) fn interest(&mut self, product: &ProductId, at: EventTime, weight: f32) {
        let half_life_ms = self.items.config().interest_half_life_ms;
        self.change(product, |state| {
            state.interest.add(half_life_ms, at, f64::from(weight));
            state.windows.add(at, weight);
            state.first_seen = at;
            state.last_seen = state.last_seen.max(at);
        });
    }

    /// Two products met in a session, or were bought together.
    pub(super) fn met(&mut self, a: &ProductId, b: &ProductId, weight: f32, bought: bool) {
        let config = self.items.config().clone();
        for (product, neighbour) in [(a, b), (b, a)] {
            self.change(product, |state| {
                let (list, half_life_ms) = if bought {
                    (&mut state.bought_together, config.bought_half_life_ms)
                } else {
                    (&mut state.covisits, config.covisit_half_life_ms)
                };
                list.add(neighbour, weight, NOW, half_life_ms, 50);
            });
        }
    }

    pub(super) fn ban(&mut self, target: BanTarget, banned: bool) {
        let value = ProductValue::Ban { version: 1, banned };
        self.items
            .apply(&ProductKey::Ban(target.clone()), Some(&value));
        self.bans.insert(target, banned);
    }

    /// Whether a product can be shown `now`, by its state alone: the naive form of what the table
    /// knows.
    pub(super) fn is_showable(&self, product: &ProductId, now: EventTime) -> bool {
        let Some(state) = self.states.get(product) else {
            return false;
        };
        let card = state.card.as_deref();
        let bare = Product::bare(product.clone(), now);
        let mut in_force = self.bans.iter().filter(|(_, banned)| **banned);
        !state.deleted
            && card.is_none_or(|card| card.is_offered(now))
            && !in_force.any(|(target, _)| target.holds(card.unwrap_or(&bare)))
    }

    /// One change that a shop may go through.
    pub(super) fn shake(&mut self, dice: &mut Dice, products: usize) {
        let product = numbered(dice.throw(products));
        let at = EventTime(NOW.0 - dice.throw(10 * DAY as usize) as i64);
        match dice.throw(14) {
            0..=5 => self.interest(&product, at, 1.0 + dice.throw(8) as f32),
            6 | 7 => self.put(any_card(dice, &product)),
            8 => {
                let other = numbered(dice.throw(products));
                let (weight, bought) = (0.5 + dice.throw(5) as f32, dice.one_in(2));
                if other != product {
                    self.met(&product, &other, weight, bought);
                }
            }
            9 => {
                let banned = dice.one_in(2);
                self.ban(BanTarget::Product(product), banned);
            }
            10 => {
                let sku = Sku::new(&format!("s{}", dice.throw(products / 2))).unwrap();
                let banned = dice.one_in(3);
                self.ban(BanTarget::Sku(sku), banned);
            }
            11 => {
                let brand = ["x", "X", "y", "nobody"][dice.throw(4)];
                let banned = dice.one_in(3);
                self.ban(BanTarget::Brand(brand.into()), banned);
            }
            12 => {
                let pattern = ["red*sofa", "ДИВАН", "soft", "z", "*a*"][dice.throw(5)];
                let banned = dice.one_in(3);
                self.ban(BanTarget::Pattern(pattern.into()), banned);
            }
            _ if dice.one_in(2) => self.delete(&product),
            _ => self.forget(&product),
        }
    }

    /// A shop of `products` products, all with a card, some with events and neighbours.
    pub(super) fn drawn(seed: u64, products: usize) -> Self {
        let (mut world, mut dice) = (Self::new(), Dice::new(seed));
        for number in 0..products {
            world.put(any_card(&mut dice, &numbered(number)));
        }
        for _ in 0..products * 4 {
            world.shake(&mut dice, products);
        }
        world
    }
}

fn any_card(dice: &mut Dice, product: &ProductId) -> Product {
    let category = ["", "a", "a.b", "a.b.c", "a.d", "e", "e.f"][dice.throw(7)];
    let brand = ["", "x", "y", "z", "w"][dice.throw(5)];
    let mut card = card(product, category, brand, 1.0 + dice.throw(100) as f64);
    card.sku = dice
        .one_in(2)
        .then(|| Sku::new(&format!("s{}", dice.throw(40))).unwrap());
    card.title = [None, Some("Red sofa"), Some("Диван")][dice.throw(3)].map(Into::into);
    card.description = [None, None, Some("soft"), Some("a red one")][dice.throw(4)].map(Into::into);
    card.stock = [None, Some(0), Some(3)][dice.throw(3)];
    card.available = !dice.one_in(8);
    card.expires_at = dice
        .one_in(8)
        .then(|| NOW.plus_ms(dice.throw(4) as i64 - 2));
    card.created_at = EventTime(NOW.0 - dice.throw(30) as i64 * DAY);
    card
}

/// A visitor who met and bought some of the products.
pub(super) fn visitor(seed: u64, products: usize) -> UserState {
    let mut dice = Dice::new(seed ^ 1);
    let mut user = UserState::default();
    for age in (0..dice.throw(40) as i64).rev() {
        user.history.push(met_at(
            &numbered(dice.throw(products + 2)),
            age,
            dice.throw(20) as i8 - 3,
        ));
    }
    for _ in 0..dice.throw(6) {
        let product = numbered(dice.throw(products));
        user.purchased.push(Purchased { product, at: NOW });
    }
    user
}

/// A meeting some hours ago, of a strength in quarters of a view's.
pub(super) fn met_at(product: &ProductId, hours_ago: i64, strength: i8) -> HistoryEntry {
    HistoryEntry {
        product: product.clone(),
        kind: KindTag(0),
        strength,
        at: NOW.plus_ms(-hours_ago * HOUR),
        order: 0,
    }
}

pub(super) fn query(placement: &str, limit: usize) -> Query {
    Query::new(NOW, PlacementId::new(placement).unwrap(), limit)
}

/// Any query a page may ask.
pub(super) fn any_query(seed: u64, products: usize) -> Query {
    let mut dice = Dice::new(seed ^ 2);
    let placement = [
        "home",
        "product",
        "cart",
        "similar",
        "bought_together",
        "odd",
    ][dice.throw(6)];
    let mut query = query(placement, 1 + dice.throw(30));
    query.seed = seed;
    query.purpose = [
        Purpose::Recommend,
        Purpose::Similar,
        Purpose::BoughtTogether,
    ][dice.throw(3)];
    let some = |dice: &mut Dice, sides| -> Vec<ProductId> {
        (0..dice.throw(sides))
            .map(|_| numbered(dice.throw(products + 2)))
            .collect()
    };
    query.product = some(&mut dice, 2).pop();
    query.session = some(&mut dice, 4);
    query.cart = some(&mut dice, 3);
    query.exclude = some(&mut dice, 4);
    if dice.one_in(3) {
        query.filter.categories = vec![["a", "a.b", "e", "nowhere"][dice.throw(4)].into()];
    }
    if dice.one_in(4) {
        query.filter.brands = vec!["x".into(), ["y", "nobody"][dice.throw(2)].into()];
    }
    if dice.one_in(4) {
        query.filter.min_price = Some(Amount::from_units(dice.throw(80) as f64).unwrap());
    }
    if dice.one_in(4) {
        query.filter.max_price = Some(Amount::from_units(dice.throw(120) as f64).unwrap());
    }
    query.filter.in_stock = dice.one_in(4);
    query
}
