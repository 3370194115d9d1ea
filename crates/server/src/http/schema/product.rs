//! Products, as they are sent.

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vitrina_engine::Kept;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

use super::receipt::RejectedItem;

/// A product of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductBody {
    /// The shop's id.
    #[schema(example = "1004856")]
    pub product_id: String,
    /// Stock-keeping unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sku: Option<String>,
    /// Seller, on a marketplace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub shop_id: Option<Box<str>>,
    /// Title, in the product's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub title: Option<Box<str>>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<Box<str>>,
    /// Language of title and description (BCP 47).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub lang: Option<Box<str>>,
    /// From the widest category to the narrowest.
    pub category_path: Vec<Box<str>>,
    /// Brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub brand: Option<Box<str>>,
    /// Price of one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<f64>, minimum = 0)]
    pub price: Option<Amount>,
    /// Currency of the price (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, example = "USD")]
    pub currency: Option<Currency>,
    /// Pieces in stock, when the shop says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stock: Option<u32>,
    /// Whether it may be shown.
    pub available: bool,
    /// Not shown from this moment on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<EventTime>,
    /// Picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image_url: Option<Box<str>>,
    /// Page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub url: Option<Box<str>>,
    /// The product this is a variant of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub variant_of: Option<String>,
    /// Anything else the shop wants kept.
    pub attributes: BTreeMap<String, String>,
    /// When the catalogue first had it.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: EventTime,
    /// When it last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: EventTime,
    /// Of the record: its `ETag`. Not a field of the product: it cannot be written.
    pub version: u64,
}

impl From<Kept<Product>> for ProductBody {
    fn from(kept: Kept<Product>) -> Self {
        let product = kept.value;
        Self {
            product_id: product.product_id.to_string(),
            sku: product.sku.map(|sku| sku.to_string()),
            shop_id: product.shop_id,
            title: product.title,
            description: product.description,
            lang: product.lang,
            category_path: product.category_path,
            brand: product.brand,
            price: product.price,
            currency: product.currency,
            stock: product.stock,
            available: product.available,
            expires_at: product.expires_at,
            image_url: product.image_url,
            url: product.url,
            variant_of: product.variant_of.map(|id| id.to_string()),
            attributes: product.attributes,
            created_at: product.created_at,
            updated_at: product.updated_at,
            version: kept.version,
        }
    }
}

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductPage {
    /// In order of their ids.
    pub products: Vec<ProductBody>,
    /// What `cursor` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// A product that was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenProduct {
    /// Its place in the request, from 0; blank lines do not count.
    pub index: usize,
    /// The product.
    pub product_id: String,
    /// Its new version.
    pub version: u64,
    /// Whether it was new.
    pub created: bool,
}

/// What became of a batch of products. The written ones are durable.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchReceipt {
    /// In the order of the request.
    pub written: Vec<WrittenProduct>,
    /// The others.
    pub rejected: Vec<RejectedItem>,
    /// Whether answers are known to see all that was written; else they will soon.
    pub visible: bool,
}
