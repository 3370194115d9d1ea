//! The item side in memory of one answering node.
//!
//! Products are known under [`ProductIx`], an append-only dictionary of this table: a number
//! once given stays. The only write is [`ItemTable::apply`], which takes the state changes that
//! the product-keyed tasks publish; so two tables that took the same changes in the same order
//! answer alike.

mod apply;
mod ban;
mod card;
mod category;
mod facts;
mod neighbours;
mod ranking;
mod standing;
mod window;

pub use card::{Card, CardRef};
pub use category::{Category, CategoryIx};
pub use facts::{BrandIx, Facts};
pub use neighbours::NeighbourWeight;
pub use ranking::RANKED_MAX;

use ban::Bans;
use card::Names;
use category::Categories;
use neighbours::NeighbourList;
pub(crate) use ranking::RankKey;
use ranking::Ranking;
use std::collections::HashMap;
use vitrina_types::ban::Texts;
use vitrina_types::decayed::{DecayedCount, Window, WindowedCount};
use vitrina_types::event::Counters;
use vitrina_types::id::{ProductId, ProductIx};
use vitrina_types::time::EventTime;

/// How the table reads the states it is given. The half-lives must be the stream's own.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemConfig {
    /// Half-life of interest, milliseconds, above 0.
    pub interest_half_life_ms: f64,
    /// Half-life of co-visits, milliseconds, above 0.
    pub covisit_half_life_ms: f64,
    /// Half-life of bought-together counts, milliseconds, above 0.
    pub bought_half_life_ms: f64,
    /// Whether a product that only events speak of may be shown. A shop that sends no catalogue
    /// needs it; one that does may rather not show ids a visitor can invent.
    pub show_without_card: bool,
}

/// One day, in milliseconds.
const DAY_MS: f64 = 86_400_000.0;

impl Default for ItemConfig {
    fn default() -> Self {
        Self {
            interest_half_life_ms: 3.0 * DAY_MS,
            covisit_half_life_ms: 14.0 * DAY_MS,
            bought_half_life_ms: 28.0 * DAY_MS,
            show_without_card: true,
        }
    }
}

/// What is read when a product is looked at, not in every answer.
#[derive(Debug)]
pub(crate) struct Row {
    id: ProductId,
    card: Option<Box<Card>>,
    card_version: u64,
    counters: Counters,
    interest: DecayedCount,
    windows: WindowedCount,
    first_seen: EventTime,
    last_seen: EventTime,
    /// What brands and patterns of bans are looked for in.
    texts: Texts,
    /// Bans on brands and patterns that hold it back: it is free when the last of them is lifted.
    text_bans: u32,
}

/// The neighbours of one product.
#[derive(Debug, Default)]
struct Links {
    covisits: NeighbourList,
    bought: NeighbourList,
}

/// See the module.
#[derive(Debug, Default)]
pub struct ItemTable {
    config: ItemConfig,
    // Ids come from outside, hence the standard library's keyed hash: nobody can choose ids
    // that collide. The order of these maps is never looked at.
    by_id: HashMap<ProductId, ProductIx>,
    facts: Vec<Facts>,
    rows: Vec<Row>,
    links: Vec<Links>,
    categories: Categories,
    brands: Names,
    bans: Bans,
    popular: Ranking,
    arrivals: Ranking,
}

impl ItemTable {
    /// An empty table.
    pub fn new(config: ItemConfig) -> Self {
        Self {
            config,
            ..Self::default()
        }
    }

    /// How it reads states.
    pub fn config(&self) -> &ItemConfig {
        &self.config
    }

    /// Products in the dictionary, shown or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no product was ever heard of.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Products that can be shown, but for those whose time is over.
    pub fn offered_len(&self) -> usize {
        self.popular.members()
    }

    /// The number of a product.
    pub fn find(&self, product_id: &str) -> Option<ProductIx> {
        self.by_id.get(product_id).copied()
    }

    /// The product under a number of this table; `None` for a foreign number.
    pub fn id(&self, ix: ProductIx) -> Option<&ProductId> {
        self.rows.get(ix.at()).map(|row| &row.id)
    }

    /// The hot columns of a product; those of one never heard of for a foreign number.
    pub fn facts(&self, ix: ProductIx) -> &Facts {
        self.facts.get(ix.at()).unwrap_or(&Facts::UNHEARD)
    }

    /// What a page shows of a product.
    pub fn card(&self, ix: ProductIx) -> Option<CardRef<'_>> {
        CardRef::of(self, ix)
    }

    /// Events with the product, by kind.
    pub fn counters(&self, ix: ProductIx) -> Counters {
        self.rows
            .get(ix.at())
            .map(|row| row.counters)
            .unwrap_or_default()
    }

    /// Decayed interest in the product as of `now`.
    pub fn interest(&self, ix: ProductIx, now: EventTime) -> f64 {
        let half_life_ms = self.config.interest_half_life_ms;
        let row = self.rows.get(ix.at());
        row.map_or(0.0, |row| row.interest.value(half_life_ms, now))
    }

    /// Interest in the product over `window`, exact.
    pub fn windowed(&self, ix: ProductIx, window: Window, now: EventTime) -> f32 {
        self.rows
            .get(ix.at())
            .map_or(0.0, |row| row.windows.sum(window, now))
    }

    /// First and newest event with the product; `None` when there was none.
    pub fn seen(&self, ix: ProductIx) -> Option<(EventTime, EventTime)> {
        let row = self.rows.get(ix.at())?;
        (row.last_seen > EventTime(0)).then_some((row.first_seen, row.last_seen))
    }

    /// Products met together with this one, strongest first.
    pub fn covisits(&self, ix: ProductIx) -> &[NeighbourWeight] {
        self.links
            .get(ix.at())
            .map_or(&[], |links| links.covisits.best())
    }

    /// Products bought together with this one, strongest first.
    pub fn bought_together(&self, ix: ProductIx) -> &[NeighbourWeight] {
        self.links
            .get(ix.at())
            .map_or(&[], |links| links.bought.best())
    }

    /// Version of the newest catalogue change of the product that is visible here; 0 for none.
    pub fn card_version(&self, product_id: &str) -> u64 {
        self.find(product_id)
            .map_or(0, |ix| self.rows[ix.at()].card_version)
    }

    /// Version of the newest change of the ban with this ban id that is visible here; 0 for none.
    pub fn ban_version(&self, ban_id: &str) -> u64 {
        self.bans.version(ban_id)
    }

    /// The category with this dotted path.
    pub fn find_category(&self, path: &str) -> Option<CategoryIx> {
        self.categories.find(path)
    }

    /// The category under a number of this table.
    pub fn category(&self, ix: CategoryIx) -> Option<&Category> {
        self.categories.rows.get(ix.at())
    }

    /// Every category, wider before narrower.
    pub fn categories(&self) -> impl ExactSizeIterator<Item = &Category> {
        self.categories.rows.iter()
    }

    /// Whether `category` is `wider` or lies inside it.
    pub fn is_within(&self, category: CategoryIx, wider: CategoryIx) -> bool {
        self.categories.is_within(category, wider)
    }

    /// `category` and all its wider levels, narrowest first.
    pub fn category_chain(&self, category: CategoryIx) -> impl Iterator<Item = CategoryIx> + '_ {
        self.categories.chain(category)
    }

    /// The brand with this name.
    pub fn find_brand(&self, name: &str) -> Option<BrandIx> {
        self.brands.find(name)
    }

    /// The name of a brand.
    pub fn brand(&self, ix: BrandIx) -> Option<&str> {
        self.brands.name(ix)
    }

    /// Products that can be shown by decayed interest, best first; of one category or of all. At
    /// most [`RANKED_MAX`]; those whose time is over are among them.
    pub fn popular(
        &self,
        category: Option<CategoryIx>,
    ) -> impl ExactSizeIterator<Item = ProductIx> {
        self.popular_ranking(category).iter()
    }

    /// Products that can be shown, newest in the catalogue first; of one top-level category or
    /// of all. At most [`RANKED_MAX`].
    pub fn new_arrivals(
        &self,
        category: Option<CategoryIx>,
    ) -> impl ExactSizeIterator<Item = ProductIx> {
        match category.and_then(|ix| self.category(ix)) {
            Some(row) => row.arrivals.iter(),
            None => self.arrivals.iter(),
        }
    }

    /// Whether [`Self::popular`] names every product that can be shown.
    pub(crate) fn popular_is_complete(&self, category: Option<CategoryIx>) -> bool {
        self.popular_ranking(category).is_complete()
    }

    /// The best interest key of all products that can be shown.
    pub(crate) fn interest_key_max(&self) -> f64 {
        let best = self.popular.iter().next();
        best.map_or(f64::NEG_INFINITY, |ix| self.facts[ix.at()].interest_key)
    }

    /// The hot columns of every product, in order of their numbers.
    pub(crate) fn all_facts(&self) -> &[Facts] {
        &self.facts
    }

    fn popular_ranking(&self, category: Option<CategoryIx>) -> &Ranking {
        match category.and_then(|ix| self.category(ix)) {
            Some(row) => &row.popular,
            None => &self.popular,
        }
    }

    /// About how many bytes the table holds. Walks all products: for a console, not for answers.
    pub fn memory_bytes(&self) -> usize {
        // A key, its text and its number, and the room a hash map keeps free.
        const DICTIONARY: usize = 64;
        let fixed = size_of::<Facts>() + size_of::<Row>() + size_of::<Links>() + DICTIONARY;
        let rows = self.rows.iter().zip(&self.links).map(|(row, links)| {
            let card = row.card.as_ref().map_or(0, |card| card.bytes());
            // Panes are sparse; a product that sells fills about half of them.
            let panes = if row.last_seen > EventTime(0) { 512 } else { 0 };
            let texts = 2 * row.id.as_str().len() + row.texts.bytes() + card;
            texts + panes + links.covisits.bytes() + links.bought.bytes()
        });
        let categories = self.categories.rows.iter();
        let ranked =
            categories.map(|c| c.popular.bytes() + c.arrivals.bytes() + 2 * c.path().len());
        fixed * self.len() + rows.sum::<usize>() + ranked.sum::<usize>()
    }
}
