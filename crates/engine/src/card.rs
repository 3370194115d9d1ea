//! How products are shown, and plain rankings of them.

use crate::shared::Shared;
use serde::Serialize;
use vitrina_pipeline::ItemTable;
use vitrina_types::decayed::Window;
use vitrina_types::id::{ProductId, ProductIx};

/// A product as shown in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// The shop's id.
    pub product_id: ProductId,
    /// What a person reads: never empty.
    pub title: String,
    /// Brand.
    pub brand: Option<String>,
    /// Category path, levels joined by dots.
    pub category: Option<String>,
    /// Price of one piece.
    pub price: Option<f64>,
    /// Currency of the price.
    pub currency: Option<String>,
    /// Picture.
    pub image_url: Option<String>,
    /// Page.
    pub url: Option<String>,
}

/// A product in a ranking.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The product.
    pub card: Card,
    /// Interest, unitless; the unit is one view.
    pub score: f64,
}

/// How the product at `ix` is shown.
pub(crate) fn at(table: &ItemTable, ix: ProductIx) -> Option<Card> {
    let row = table.card(ix)?;
    let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let card = row.card;
    Some(Card {
        product_id: row.product_id.clone(),
        title: row.shown_as(),
        brand: row.brand.map(str::to_owned),
        category: row.category.map(str::to_owned),
        price: card.and_then(|card| card.price).map(|price| price.units()),
        currency: card
            .and_then(|card| card.currency)
            .map(|currency| currency.as_str().to_owned()),
        image_url: card.and_then(|card| owned(&card.image_url)),
        url: card.and_then(|card| owned(&card.url)),
    })
}

/// How the product with this id is shown.
pub(crate) fn by_id(table: &ItemTable, id: &ProductId) -> Option<Card> {
    at(table, table.find(id.as_str())?)
}

/// How a product is shown that the item side may not know: by its id at least.
pub(crate) fn or_bare(table: &ItemTable, id: &ProductId) -> Card {
    by_id(table, id).unwrap_or_else(|| Card {
        product_id: id.clone(),
        title: id.as_str().to_owned(),
        brand: None,
        category: None,
        price: None,
        currency: None,
        image_url: None,
        url: None,
    })
}

/// What is popular: over a window exactly, else by decayed interest.
pub(crate) fn popular(
    shared: &Shared,
    window: Option<Window>,
    category: Option<&str>,
    limit: usize,
) -> Vec<Ranked> {
    let now = shared.event_now();
    let table = shared.items.read();
    let category = match category {
        Some(path) => match table.find_category(path) {
            Some(found) => Some(found),
            // Nobody sells anything there.
            None => return Vec::new(),
        },
        None => None,
    };
    let ranked: Vec<(ProductIx, f64)> = match window {
        Some(window) => table
            .top_in_window(window, now, category, limit)
            .into_iter()
            .map(|(ix, sum)| (ix, f64::from(sum)))
            .collect(),
        None => table
            .popular(category)
            .take(limit)
            .map(|ix| (ix, table.interest(ix, now)))
            .collect(),
    };
    let shown = ranked.into_iter().filter_map(|(ix, score)| {
        let card = at(&table, ix)?;
        Some(Ranked { card, score })
    });
    shown.collect()
}
