//! Bans in force, arranged so that a product is held against all of them at once.

use super::text::{Pattern, Texts, fold};
use super::{BanTarget, Product};
use crate::id::{ProductId, Sku};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Bans on brands and patterns in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TextRules {
    /// By what they are compared as: brands banned in several spellings stay several bans.
    brands: HashMap<Box<str>, BTreeSet<Box<str>>>,
    /// By what was written, which is the order of their ids.
    patterns: BTreeMap<Box<str>, Pattern>,
}

impl TextRules {
    /// Sets or lifts the ban on a brand.
    pub fn set_brand(&mut self, brand: &str, banned: bool) {
        let folded = fold(brand);
        if banned {
            let spellings = self.brands.entry(folded.into()).or_default();
            spellings.insert(brand.into());
        } else if let Some(spellings) = self.brands.get_mut(&*folded) {
            spellings.remove(brand);
            if spellings.is_empty() {
                self.brands.remove(&*folded);
            }
        }
    }

    /// Sets or lifts the ban on a pattern.
    pub fn set_pattern(&mut self, pattern: &str, banned: bool) {
        if banned {
            self.patterns.insert(pattern.into(), Pattern::new(pattern));
        } else {
            self.patterns.remove(pattern);
        }
    }

    /// Whether none is in force.
    pub fn is_empty(&self) -> bool {
        self.brands.is_empty() && self.patterns.is_empty()
    }

    /// How many of them hold a product with these texts back. O(patterns × bytes of the texts).
    pub fn count(&self, texts: &Texts) -> usize {
        let brands = texts.brand().and_then(|brand| self.brands.get(brand));
        let patterns = self.patterns.values();
        brands.map_or(0, BTreeSet::len) + patterns.filter(|one| one.is_in(texts)).count()
    }

    /// Of those that hold a product with these texts back, the one whose id sorts first.
    fn first(&self, texts: &Texts) -> Option<BanTarget> {
        let spellings = texts.brand().and_then(|brand| self.brands.get(brand));
        if let Some(brand) = spellings.and_then(BTreeSet::first) {
            return Some(BanTarget::Brand(brand.clone()));
        }
        let mut patterns = self.patterns.iter();
        let found = patterns.find(|(_, pattern)| pattern.is_in(texts));
        found.map(|(pattern, _)| BanTarget::Pattern(pattern.clone()))
    }
}

/// All bans in force.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BanRules {
    // Ids come from outside, hence the standard library's keyed hash. The order of these is never
    // looked at.
    products: HashSet<ProductId>,
    skus: HashSet<Sku>,
    texts: TextRules,
}

impl BanRules {
    /// Sets or lifts a ban. Idempotent.
    pub fn set(&mut self, target: &BanTarget, banned: bool) {
        match target {
            BanTarget::Product(id) if banned => {
                self.products.insert(id.clone());
            }
            BanTarget::Product(id) => {
                self.products.remove(id);
            }
            BanTarget::Sku(sku) if banned => {
                self.skus.insert(sku.clone());
            }
            BanTarget::Sku(sku) => {
                self.skus.remove(sku);
            }
            BanTarget::Brand(brand) => self.texts.set_brand(brand, banned),
            BanTarget::Pattern(pattern) => self.texts.set_pattern(pattern, banned),
        }
    }

    /// Of the bans that hold the product back, the one whose [id](BanTarget::id) sorts first;
    /// `None` when it is free. O(1) in products, SKUs and brands; O(patterns × bytes of its
    /// texts).
    pub fn first(&self, product: &Product) -> Option<BanTarget> {
        // Ids sort by kind first: brand, pattern, product, SKU.
        let of_texts = if self.texts.is_empty() {
            None
        } else {
            self.texts.first(&Texts::of(product))
        };
        let of_id = || self.products.get(&product.product_id).cloned();
        let of_sku = || product.sku.as_ref().and_then(|sku| self.skus.get(sku));
        of_texts
            .or_else(|| of_id().map(BanTarget::Product))
            .or_else(|| of_sku().cloned().map(BanTarget::Sku))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;
    use proptest::prelude::*;

    const IDS: [&str; 10] = [
        "brand:ACME",
        "brand:acme",
        "brand:Ёж",
        "pattern:acme",
        "pattern:k*j",
        "pattern:ёж",
        "product:p1",
        "product:p2",
        "sku:s1",
        "sku:s2",
    ];

    fn product(id: usize, sku: usize, brand: usize, title: usize) -> Product {
        let mut product = Product::bare(
            ProductId::new(["p1", "p2", "p3"][id]).unwrap(),
            EventTime(0),
        );
        product.sku = [None, Sku::new("s1").ok(), Sku::new("s2").ok()][sku].clone();
        product.brand = [None, Some("Acme"), Some("ЁЖ")][brand].map(Into::into);
        product.title = [None, Some("Kj"), Some("для ёжика")][title].map(Into::into);
        product
    }

    proptest! {
        /// Whatever was set and lifted before, the first ban is the first of those in force that
        /// hold the product, and texts count each of theirs.
        #[test]
        fn rules_equal_every_target_on_its_own(
            changes in prop::collection::vec((0..IDS.len(), any::<bool>()), 0..30),
            (id, sku, brand, title) in (0usize..3, 0usize..3, 0usize..3, 0usize..3),
        ) {
            let mut rules = BanRules::default();
            let mut naive = BTreeSet::new();
            for (place, banned) in changes {
                let target = BanTarget::from_id(IDS[place]).unwrap();
                rules.set(&target, banned);
                if banned {
                    naive.insert(target.id());
                } else {
                    naive.remove(&target.id());
                }
            }
            let product = product(id, sku, brand, title);
            let holding: Vec<BanTarget> = naive
                .iter()
                .filter_map(|id| BanTarget::from_id(id))
                .filter(|target| target.holds(&product))
                .collect();
            prop_assert_eq!(rules.first(&product), holding.first().cloned());
            let texts = holding.iter().filter(|target| target.is_text()).count();
            prop_assert_eq!(rules.texts.count(&Texts::of(&product)), texts);
        }
    }
}
