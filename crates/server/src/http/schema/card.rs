//! How a product is shown inside an answer.

use serde::Serialize;
use utoipa::ToSchema;
use vitrina_engine::Card;

/// How a product is shown. Absent fields are not known.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProductCard<'a> {
    /// What a person reads: the title, else what there is of brand, category and id.
    #[schema(min_length = 1, example = "samsung · smartphone · 1004856")]
    pub title: &'a str,
    /// Brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub brand: Option<&'a str>,
    /// Category path, levels joined by dots.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "electronics.smartphone")]
    pub category: Option<&'a str>,
    /// Price of one piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0, example = 130.76)]
    pub price: Option<f64>,
    /// Currency of the price (ISO 4217).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "USD")]
    pub currency: Option<&'a str>,
    /// Picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image_url: Option<&'a str>,
    /// Page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub url: Option<&'a str>,
}

impl<'a> From<&'a Card> for ProductCard<'a> {
    fn from(card: &'a Card) -> Self {
        Self {
            title: &card.title,
            brand: card.brand.as_deref(),
            category: card.category.as_deref(),
            price: card.price,
            currency: card.currency.as_deref(),
            image_url: card.image_url.as_deref(),
            url: card.url.as_deref(),
        }
    }
}
