//! The only write of the table: one state change at a time.

use super::card::{Card, categories_of};
use super::facts::BannedBy;
use super::standing::Standing;
use super::{BrandIx, Facts, ItemTable, Links, Row};
use vitrina_types::ban::{BanTarget, Pattern, Texts, fold};
use vitrina_types::decayed::{DecayedCount, WindowedCount};
use vitrina_types::event::Counters;
use vitrina_types::id::{ProductId, ProductIx};
use vitrina_types::product::Product;
use vitrina_types::state::{ProductKey, ProductState, ProductValue};
use vitrina_types::time::EventTime;

impl ItemTable {
    /// Takes over a state change: `value` replaces what was under `key`, `None` forgets it. A
    /// value that does not belong under its key is ignored.
    pub fn apply(&mut self, key: &ProductKey, value: Option<&ProductValue>) {
        match (key, value) {
            (ProductKey::Product(id), Some(ProductValue::Product(state))) => {
                self.apply_product(id, Some(state));
            }
            (ProductKey::Product(id), None) => self.apply_product(id, None),
            (ProductKey::Category(path), Some(ProductValue::Category(state))) => {
                self.categories.set_state(path, Some(state));
            }
            (ProductKey::Category(path), None) => self.categories.set_state(path, None),
            (ProductKey::Ban(target), Some(&ProductValue::Ban { version, banned })) => {
                self.apply_ban(target, version, banned);
            }
            (ProductKey::Ban(target), None) => self.apply_ban(target, 0, false),
            _ => {}
        }
    }

    /// The number of a product, given to it now when it has none.
    fn number(&mut self, id: &ProductId) -> ProductIx {
        if let Some(found) = self.by_id.get(id) {
            return *found;
        }
        let ix = ProductIx(self.rows.len() as u32);
        self.by_id.insert(id.clone(), ix);
        self.facts.push(Facts::UNHEARD);
        self.links.push(Links::default());
        self.rows.push(Row {
            id: id.clone(),
            card: None,
            card_version: 0,
            counters: Counters::default(),
            interest: DecayedCount::default(),
            windows: WindowedCount::default(),
            first_seen: EventTime(0),
            last_seen: EventTime(0),
            texts: Texts::default(),
            text_bans: 0,
        });
        ix
    }

    fn apply_product(&mut self, id: &ProductId, state: Option<&ProductState>) {
        if state.is_none() && !self.by_id.contains_key(id) {
            return;
        }
        let ix = self.number(id);
        let before = Standing::of(&self.facts[ix.at()]);
        match state {
            Some(state) => self.set_product(ix, state),
            None => {
                self.set_product(ix, &ProductState::default());
                self.facts[ix.at()].clear_card(false, false);
            }
        }
        let after = Standing::of(&self.facts[ix.at()]);
        self.restand(ix, before, after);
    }

    fn set_product(&mut self, ix: ProductIx, state: &ProductState) {
        match &state.card {
            Some(card) if self.has_card(ix, card, state.card_version) => {}
            Some(card) => self.set_card(ix, card),
            None => self.clear_card(ix, state.deleted),
        }
        let half_life_ms = self.config.interest_half_life_ms;
        let facts = &mut self.facts[ix.at()];
        facts.interest_key = state.interest.rank_key(half_life_ms);
        facts.last_seen = state.last_seen;
        let row = &mut self.rows[ix.at()];
        row.card_version = state.card_version;
        row.counters = state.counters;
        row.interest = state.interest;
        row.windows.clone_from(&state.windows);
        row.first_seen = state.first_seen;
        row.last_seen = state.last_seen;
        self.set_links(ix, state);
    }

    /// Whether the card is already there. A catalogue version names one content; version 0 is
    /// before the first and names none.
    fn has_card(&self, ix: ProductIx, card: &Product, version: u64) -> bool {
        let row = &self.rows[ix.at()];
        let same = version != 0 && version == row.card_version;
        let held = row.card.as_ref();
        same && held.is_some_and(|held| held.updated_at == card.updated_at)
    }

    fn set_card(&mut self, ix: ProductIx, product: &Product) {
        let category = categories_of(&mut self.categories, product);
        let brand = product.brand.as_deref();
        let brand = brand.map_or(BrandIx::NONE, |name| self.brands.intern(name));
        let row = &mut self.rows[ix.at()];
        let held = row.card.take().and_then(|card| card.sku);
        self.bans
            .move_product(ix, held.as_ref(), product.sku.as_ref());
        let banned = product
            .sku
            .as_ref()
            .is_some_and(|sku| self.bans.is_sku_banned(sku));
        row.card = Some(Box::new(Card::of(product)));
        let facts = &mut self.facts[ix.at()];
        facts.set_card(product, category, brand);
        facts.set_ban(BannedBy::Sku, banned);
        self.set_texts(ix, Texts::of(product));
    }

    fn clear_card(&mut self, ix: ProductIx, deleted: bool) {
        let held = self.rows[ix.at()].card.take().and_then(|card| card.sku);
        self.bans.move_product(ix, held.as_ref(), None);
        let facts = &mut self.facts[ix.at()];
        facts.clear_card(!deleted && self.config.show_without_card, deleted);
        facts.set_ban(BannedBy::Sku, false);
        self.set_texts(ix, Texts::default());
    }

    fn set_texts(&mut self, ix: ProductIx, texts: Texts) {
        let row = &mut self.rows[ix.at()];
        row.text_bans = self.bans.of_texts(&texts);
        row.texts = texts;
        self.facts[ix.at()].set_ban(BannedBy::Text, row.text_bans > 0);
    }

    fn set_links(&mut self, ix: ProductIx, state: &ProductState) {
        // Taken out while neighbours get their numbers, which may add rows.
        let mut links = std::mem::take(&mut self.links[ix.at()]);
        let covisit_half_life_ms = self.config.covisit_half_life_ms;
        let bought_half_life_ms = self.config.bought_half_life_ms;
        links
            .covisits
            .set(&state.covisits, covisit_half_life_ms, |id| self.number(id));
        links
            .bought
            .set(&state.bought_together, bought_half_life_ms, |id| {
                self.number(id)
            });
        self.links[ix.at()] = links;
    }

    fn apply_ban(&mut self, target: &BanTarget, version: u64, banned: bool) {
        let changed = self.bans.set(target, version, banned);
        match target {
            BanTarget::Product(id) => {
                let ix = self.number(id);
                self.set_ban(ix, BannedBy::Product, banned);
            }
            BanTarget::Sku(sku) => {
                for at in 0..self.bans.products(sku).len() {
                    let ix = self.bans.products(sku)[at];
                    self.set_ban(ix, BannedBy::Sku, banned);
                }
            }
            // Set again under a new version: every product has counted it.
            BanTarget::Brand(_) | BanTarget::Pattern(_) if !changed => {}
            BanTarget::Brand(brand) => {
                let brand = fold(brand);
                self.count_ban(banned, |texts| texts.brand() == Some(&brand));
            }
            BanTarget::Pattern(pattern) => {
                let pattern = Pattern::new(pattern);
                self.count_ban(banned, |texts| pattern.is_in(texts));
            }
        }
    }

    /// A ban on texts was set or lifted: every product whose texts it holds counts it. Walks all
    /// products.
    fn count_ban(&mut self, banned: bool, holds: impl Fn(&Texts) -> bool) {
        for at in 0..self.rows.len() {
            let row = &mut self.rows[at];
            if !holds(&row.texts) {
                continue;
            }
            row.text_bans = if banned {
                row.text_bans + 1
            } else {
                row.text_bans.saturating_sub(1)
            };
            let is_held = row.text_bans > 0;
            self.set_ban(ProductIx(at as u32), BannedBy::Text, is_held);
        }
    }

    fn set_ban(&mut self, ix: ProductIx, by: BannedBy, banned: bool) {
        let facts = &mut self.facts[ix.at()];
        let before = Standing::of(facts);
        facts.set_ban(by, banned);
        let after = Standing::of(facts);
        self.restand(ix, before, after);
    }
}
