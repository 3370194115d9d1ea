//! What a page shows of a product.

use super::facts::BrandIx;
use super::{CategoryIx, Facts, ItemTable};
use std::collections::HashMap;
use vitrina_types::id::{ProductId, ProductIx, Sku};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::{Product, shown_as};
use vitrina_types::time::EventTime;

/// The texts of a product that are kept in memory; descriptions and attributes are the
/// catalogue's.
#[derive(Debug, Clone, PartialEq)]
pub struct Card {
    /// Stock-keeping unit.
    pub sku: Option<Sku>,
    /// Seller, on a marketplace.
    pub shop_id: Option<Box<str>>,
    /// Title.
    pub title: Option<Box<str>>,
    /// Language of the title (BCP 47).
    pub lang: Option<Box<str>>,
    /// Price of one piece.
    pub price: Option<Amount>,
    /// Currency of the price.
    pub currency: Option<Currency>,
    /// Picture.
    pub image_url: Option<Box<str>>,
    /// Page.
    pub url: Option<Box<str>>,
    /// The product this is a variant of.
    pub variant_of: Option<ProductId>,
    /// When the catalogue last changed it.
    pub updated_at: EventTime,
}

impl Card {
    pub(crate) fn of(product: &Product) -> Self {
        Self {
            sku: product.sku.clone(),
            shop_id: product.shop_id.clone(),
            title: product.title.clone(),
            lang: product.lang.clone(),
            price: product.price,
            currency: product.currency,
            image_url: product.image_url.clone(),
            url: product.url.clone(),
            variant_of: product.variant_of.clone(),
            updated_at: product.updated_at,
        }
    }

    /// Bytes on the heap, itself included.
    pub(crate) fn bytes(&self) -> usize {
        let texts = [
            &self.shop_id,
            &self.title,
            &self.lang,
            &self.image_url,
            &self.url,
        ];
        let texts = texts.into_iter().flatten().map(|text| text.len());
        let sku = self.sku.as_ref().map_or(0, |sku| sku.as_str().len());
        size_of::<Self>() + texts.sum::<usize>() + sku
    }
}

/// A product as the table holds it, for rendering.
#[derive(Debug, Clone, Copy)]
pub struct CardRef<'a> {
    /// The shop's id.
    pub product_id: &'a ProductId,
    /// Texts, price and pictures; `None` for a product the catalogue does not have.
    pub card: Option<&'a Card>,
    /// Category path, levels joined by dots.
    pub category: Option<&'a str>,
    /// Brand.
    pub brand: Option<&'a str>,
    /// The hot columns: stock, availability, bans.
    pub facts: Facts,
}

impl<'a> CardRef<'a> {
    pub(crate) fn of(items: &'a ItemTable, ix: ProductIx) -> Option<Self> {
        let row = items.rows.get(ix.at())?;
        let facts = *items.facts(ix);
        Some(Self {
            product_id: &row.id,
            card: row.card.as_deref(),
            category: items.category(facts.category()).map(super::Category::path),
            brand: items.brand(facts.brand()),
            facts,
        })
    }

    /// What a person reads, as [`Product::shown_as`].
    pub fn shown_as(&self) -> String {
        let title = self.card.and_then(|card| card.title.as_deref());
        let narrowest = self.category.and_then(|path| path.rsplit('.').next());
        shown_as(title, self.brand, narrowest, self.product_id)
    }
}

/// Brand names under numbers. Append-only.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: HashMap<Box<str>, BrandIx>,
    names: Vec<Box<str>>,
}

impl Names {
    pub(crate) fn find(&self, name: &str) -> Option<BrandIx> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, ix: BrandIx) -> Option<&str> {
        self.names.get(ix.0 as usize).map(|name| &**name)
    }

    pub(crate) fn intern(&mut self, name: &str) -> BrandIx {
        if let Some(found) = self.find(name) {
            return found;
        }
        let ix = BrandIx(self.names.len() as u32);
        self.names.push(name.into());
        self.by_name.insert(name.into(), ix);
        ix
    }
}

/// The category numbers of a card: narrowest and widest.
pub(crate) fn categories_of(
    categories: &mut super::category::Categories,
    product: &Product,
) -> [CategoryIx; 2] {
    let Some(path) = product.category() else {
        return [CategoryIx::NONE; 2];
    };
    let narrowest = categories.intern(&path);
    [narrowest, categories.top_of(narrowest)]
}
