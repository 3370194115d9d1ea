//! Rows of product files.

use super::columns::{Fields, Header};
use serde::Deserialize;
use std::collections::BTreeMap;
use vitrina_types::event::Rejection;
use vitrina_types::id::{ProductId, Sku};
use vitrina_types::limits::{
    ATTRIBUTES_MAX, CATEGORY_LEVELS_MAX, DESCRIPTION_BYTES_MAX, EVENT_DEPTH_MAX, TEXT_BYTES_MAX,
};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Where the columns of a product CSV are. Only `product_id` has to be there.
#[derive(Debug, Clone)]
pub struct ProductColumns {
    product_id: Option<usize>,
    title: Option<usize>,
    category_id: Option<usize>,
    category_code: Option<usize>,
    brand: Option<usize>,
    price: Option<usize>,
    is_service: Option<usize>,
    currency: &'static str,
}

impl ProductColumns {
    /// Finds the columns; all prices are in `currency`.
    pub fn new(header: &Header, currency: &'static str) -> Self {
        Self {
            product_id: header.find("product_id"),
            title: header.find("title"),
            category_id: header.find("category_id"),
            category_code: header.find("category_code"),
            brand: header.find("brand"),
            price: header.find("price"),
            is_service: header.find("is_service"),
            currency,
        }
    }

    /// Reads one row.
    ///
    /// # Errors
    /// A [`Rejection`] that names the column at fault.
    pub fn read(&self, row: &Fields<'_>, now: EventTime) -> Result<Product, Rejection> {
        let mut attributes = BTreeMap::new();
        if let Some(id) = row.owned(self.category_id, "category_id")? {
            attributes.insert("category_id".to_owned(), id);
        }
        // Postage, bank charges and the like: sold, but nothing to put in a window.
        let is_service = row.text(self.is_service, "is_service")?;
        let is_service = is_service.is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let category = row.text(self.category_code, "category_code")?;
        let price = row.amount(self.price, "price")?;
        ProductDraft {
            product_id: row.owned(self.product_id, "product_id")?,
            title: row.owned(self.title, "title")?,
            category_path: category.map(|code| code.split('.').map(str::to_owned).collect()),
            brand: row.owned(self.brand, "brand")?,
            currency: price.map(|_| self.currency.to_owned()),
            price,
            available: Some(!is_service),
            attributes: Some(attributes),
            ..ProductDraft::default()
        }
        .build(now)
    }
}

/// Reads one line of JSON: a product as `POST /v1/products` takes it.
///
/// # Errors
/// A [`Rejection`] with the field at fault where it is known.
pub fn read_json(line: &[u8], now: EventTime) -> Result<Product, Rejection> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let draft: ProductDraft = serde_json::from_slice(line).map_err(|error| {
        if std::str::from_utf8(line).is_err() {
            Rejection::new("invalid_utf8", "", "the product is not UTF-8")
        } else if error.is_data() {
            Rejection::new("invalid_product", "", error.to_string())
        } else {
            let detail = format!("not JSON, or deeper than {EVENT_DEPTH_MAX} levels: {error}");
            Rejection::new("invalid_json", "", detail)
        }
    })?;
    draft.build(now)
}

/// A product as sent, nothing checked.
#[derive(Debug, Default, Deserialize)]
struct ProductDraft {
    product_id: Option<String>,
    sku: Option<String>,
    shop_id: Option<String>,
    title: Option<String>,
    description: Option<String>,
    lang: Option<String>,
    category_path: Option<Vec<String>>,
    brand: Option<String>,
    price: Option<Amount>,
    currency: Option<String>,
    stock: Option<u32>,
    available: Option<bool>,
    expires_at: Option<EventTime>,
    image_url: Option<String>,
    url: Option<String>,
    variant_of: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
    created_at: Option<EventTime>,
    updated_at: Option<EventTime>,
}

impl ProductDraft {
    fn build(self, now: EventTime) -> Result<Product, Rejection> {
        let id = self.product_id;
        let id = id.ok_or_else(|| Rejection::missing("product_id", "a product needs its id"))?;
        let id = ProductId::new(&id).map_err(|e| Rejection::id("product_id", e))?;
        if self.price.is_some_and(|price| price < Amount::ZERO) {
            return Err(Rejection::new(
                "out_of_range",
                "price",
                "a price is not negative",
            ));
        }
        let sku = self.sku.as_deref().map(Sku::new).transpose();
        let variant_of = self.variant_of.as_deref().map(ProductId::new).transpose();
        let currency = self.currency.as_deref().map(Currency::new).transpose();
        Ok(Product {
            sku: sku.map_err(|e| Rejection::id("sku", e))?,
            shop_id: text(self.shop_id, "shop_id", TEXT_BYTES_MAX)?,
            title: text(self.title, "title", TEXT_BYTES_MAX)?,
            description: text(self.description, "description", DESCRIPTION_BYTES_MAX)?,
            lang: text(self.lang, "lang", TEXT_BYTES_MAX)?,
            category_path: levels(self.category_path.unwrap_or_default())?,
            brand: text(self.brand, "brand", TEXT_BYTES_MAX)?,
            price: self.price,
            currency: currency
                .map_err(|e| Rejection::new("invalid_currency", "currency", e.to_string()))?,
            stock: self.stock,
            available: self.available.unwrap_or(true),
            expires_at: self.expires_at,
            image_url: text(self.image_url, "image_url", TEXT_BYTES_MAX)?,
            url: text(self.url, "url", TEXT_BYTES_MAX)?,
            variant_of: variant_of.map_err(|e| Rejection::id("variant_of", e))?,
            attributes: attributes(self.attributes.unwrap_or_default())?,
            created_at: self.created_at.unwrap_or(now),
            updated_at: self.updated_at.unwrap_or(now),
            ..Product::bare(id, now)
        })
    }
}

fn text(
    text: Option<String>,
    field: &'static str,
    bytes_max: usize,
) -> Result<Option<Box<str>>, Rejection> {
    if text.as_ref().is_some_and(|text| text.len() > bytes_max) {
        let detail = format!("{field} has at most {bytes_max} bytes");
        return Err(Rejection::new("out_of_range", field, detail));
    }
    Ok(text.filter(|text| !text.is_empty()).map(Box::from))
}

fn levels(path: Vec<String>) -> Result<Vec<Box<str>>, Rejection> {
    if path.len() > CATEGORY_LEVELS_MAX {
        let detail = format!("a category path has at most {CATEGORY_LEVELS_MAX} levels");
        return Err(Rejection::new("out_of_range", "category_path", detail));
    }
    let levels = path
        .into_iter()
        .map(|level| text(Some(level), "category_path", TEXT_BYTES_MAX));
    levels.filter_map(Result::transpose).collect()
}

fn attributes(given: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Rejection> {
    let too_long = given
        .iter()
        .any(|(k, v)| k.len().max(v.len()) > TEXT_BYTES_MAX);
    if given.len() > ATTRIBUTES_MAX || too_long {
        let detail = format!("at most {ATTRIBUTES_MAX} attributes of {TEXT_BYTES_MAX} bytes each");
        return Err(Rejection::new("out_of_range", "attributes", detail));
    }
    Ok(given)
}
