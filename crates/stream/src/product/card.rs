//! What the catalogue says of a product. The newest version wins, in whatever order they come.

use super::{Memory, product_mut};
use vitrina_types::product::Product;
use vitrina_types::state::{ProductState, ProductValue};

fn is_old(working: &Memory, key: &str, version: u64) -> bool {
    match working.get(key) {
        Some(ProductValue::Product(known)) => version <= known.card_version,
        _ => version == 0,
    }
}

/// Takes a newer card; the moment of creation stays the first one known.
pub(super) fn upsert(working: &mut Memory, key: &str, version: u64, product: &Product) {
    if is_old(working, key, version) {
        return;
    }
    if let Some(known) = product_mut(working, key) {
        let mut card = Box::new(product.clone());
        if let Some(old) = &known.card {
            card.created_at = old.created_at;
        }
        set(known, version, Some(card));
    }
}

/// Takes the card away; what visitors did stays.
pub(super) fn delete(working: &mut Memory, key: &str, version: u64) {
    if is_old(working, key, version) {
        return;
    }
    if let Some(known) = product_mut(working, key) {
        set(known, version, None);
    }
}

fn set(known: &mut ProductState, version: u64, card: Option<Box<Product>>) {
    known.deleted = card.is_none();
    known.card = card;
    known.card_version = version;
}
