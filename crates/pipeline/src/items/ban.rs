//! Which products, SKUs, brands and patterns are banned, and which products carry a SKU.

use std::collections::HashMap;
use vitrina_types::ban::{BanTarget, TextRules, Texts};
use vitrina_types::id::{ProductIx, Sku};

/// The newest change of one ban.
#[derive(Debug, Clone, Copy, Default)]
struct BanRow {
    version: u64,
    banned: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    rows: HashMap<BanTarget, BanRow>,
    by_sku: HashMap<Sku, Vec<ProductIx>>,
    texts: TextRules,
}

impl Bans {
    /// Takes over a ban; answers whether it holds products back now and did not before, or the
    /// other way round.
    pub(crate) fn set(&mut self, target: &BanTarget, version: u64, banned: bool) -> bool {
        let row = BanRow { version, banned };
        let before = self.rows.insert(target.clone(), row);
        match target {
            BanTarget::Brand(brand) => self.texts.set_brand(brand, banned),
            BanTarget::Pattern(pattern) => self.texts.set_pattern(pattern, banned),
            BanTarget::Product(_) | BanTarget::Sku(_) => {}
        }
        banned != before.is_some_and(|row| row.banned)
    }

    /// How many bans on brands and patterns hold a product with these texts back.
    pub(crate) fn of_texts(&self, texts: &Texts) -> u32 {
        if self.texts.is_empty() {
            return 0;
        }
        self.texts.count(texts) as u32
    }

    /// Version of the ban with this ban id; 0 when there is none.
    pub(crate) fn version(&self, ban_id: &str) -> u64 {
        let target = BanTarget::from_id(ban_id);
        let row = target.and_then(|target| self.rows.get(&target));
        row.map_or(0, |row| row.version)
    }

    /// Whether the ban on `sku` is in force.
    pub(crate) fn is_sku_banned(&self, sku: &Sku) -> bool {
        // Most shops ban nothing: no need to build a key then.
        if self.rows.is_empty() {
            return false;
        }
        let row = self.rows.get(&BanTarget::Sku(sku.clone()));
        row.is_some_and(|row| row.banned)
    }

    /// The products with this SKU.
    pub(crate) fn products(&self, sku: &Sku) -> &[ProductIx] {
        self.by_sku.get(sku).map_or(&[], Vec::as_slice)
    }

    /// A product has changed its SKU.
    pub(crate) fn move_product(&mut self, ix: ProductIx, from: Option<&Sku>, to: Option<&Sku>) {
        if from == to {
            return;
        }
        if let Some(products) = from.and_then(|sku| self.by_sku.get_mut(sku)) {
            products.retain(|other| *other != ix);
        }
        if let Some(sku) = to {
            self.by_sku.entry(sku.clone()).or_default().push(ix);
        }
    }
}
