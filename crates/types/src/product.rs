//! Products, as the catalogue keeps them.

use crate::id::{ProductId, Sku};
use crate::money::{Amount, Currency};
use crate::stored::Stored;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the shop sells. Only the id is required.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// The shop's id.
    pub product_id: ProductId,
    /// Stock-keeping unit.
    pub sku: Option<Sku>,
    /// Seller, on a marketplace.
    pub shop_id: Option<Box<str>>,
    /// Title, in the product's language.
    pub title: Option<Box<str>>,
    /// Description.
    pub description: Option<Box<str>>,
    /// Language of title and description (BCP 47).
    pub lang: Option<Box<str>>,
    /// From the widest category to the narrowest.
    pub category_path: Vec<Box<str>>,
    /// Brand.
    pub brand: Option<Box<str>>,
    /// Price of one piece.
    pub price: Option<Amount>,
    /// Currency of the price.
    pub currency: Option<Currency>,
    /// Pieces in stock; `None` when the shop does not say.
    pub stock: Option<u32>,
    /// Whether it may be shown.
    pub available: bool,
    /// Not shown from this moment on.
    pub expires_at: Option<EventTime>,
    /// Picture.
    pub image_url: Option<Box<str>>,
    /// Page.
    pub url: Option<Box<str>>,
    /// The product this is a variant of.
    pub variant_of: Option<ProductId>,
    /// Anything else the shop wants kept.
    pub attributes: BTreeMap<String, String>,
    /// When the catalogue first had it.
    pub created_at: EventTime,
    /// When it last changed.
    pub updated_at: EventTime,
}

impl Product {
    /// A product of which only the id is known.
    pub fn bare(product_id: ProductId, now: EventTime) -> Self {
        Self {
            product_id,
            sku: None,
            shop_id: None,
            title: None,
            description: None,
            lang: None,
            category_path: Vec::new(),
            brand: None,
            price: None,
            currency: None,
            stock: None,
            available: true,
            expires_at: None,
            image_url: None,
            url: None,
            variant_of: None,
            attributes: BTreeMap::new(),
            created_at: now,
            updated_at: now,
        }
    }

    /// The category path as one key, levels joined by dots; `None` when there is no category.
    pub fn category(&self) -> Option<String> {
        (!self.category_path.is_empty()).then(|| self.category_path.join("."))
    }

    /// What a person reads: the title, else what there is of brand, narrowest category and id.
    pub fn shown_as(&self) -> String {
        shown_as(
            self.title.as_deref(),
            self.brand.as_deref(),
            self.category_path.last().map(|level| &**level),
            &self.product_id,
        )
    }

    /// Whether it may be shown `now`: available, in stock as far as known, not expired.
    pub fn is_offered(&self, now: EventTime) -> bool {
        self.available && self.stock != Some(0) && self.expires_at.is_none_or(|end| now < end)
    }
}

/// The text a product without a title is shown by: brand, narrowest category, id.
pub fn shown_as(
    title: Option<&str>,
    brand: Option<&str>,
    category: Option<&str>,
    product_id: &ProductId,
) -> String {
    if let Some(title) = title {
        return title.to_owned();
    }
    let mut shown = String::new();
    for part in [brand, category].into_iter().flatten() {
        shown.push_str(part);
        shown.push_str(" · ");
    }
    shown + product_id.as_str()
}

impl Stored for Product {
    const NAME: &'static str = "product";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_as_cases() {
        let id = ProductId::new("1002098").unwrap();
        #[rustfmt::skip]
        let cases: &[(&str, Option<&str>, Option<&str>, Option<&str>, &str)] = &[
            ("title",    Some("Умные часы"), Some("x"), Some("y"),    "Умные часы"),
            ("all",      None, Some("samsung"), Some("smartphone"),   "samsung · smartphone · 1002098"),
            ("no brand", None, None, Some("sofa"),                    "sofa · 1002098"),
            ("id only",  None, None, None,                            "1002098"),
        ];
        for (name, title, brand, category, want) in cases {
            assert_eq!(shown_as(*title, *brand, *category, &id), *want, "{name}");
        }
    }

    #[test]
    fn offered_cases() {
        let mut product = Product::bare(ProductId::new("p").unwrap(), EventTime(0));
        assert!(product.is_offered(EventTime(5)));
        product.expires_at = Some(EventTime(5));
        assert!(!product.is_offered(EventTime(5)));
        assert!(product.is_offered(EventTime(4)));
        product.stock = Some(0);
        assert!(!product.is_offered(EventTime(4)));
        product.stock = None;
        product.available = false;
        assert!(!product.is_offered(EventTime(4)));
    }
}
