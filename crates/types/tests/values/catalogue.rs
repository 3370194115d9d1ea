//! Products, bans and impressions.

use std::collections::BTreeMap;
use vitrina_types::answer::{Impression, ShownItem};
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::id::{PlacementId, ProductId, Sku, SlateId, UserId};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::score::Score;
use vitrina_types::time::EventTime;

pub(crate) fn product_id(id: &str) -> ProductId {
    ProductId::new(id).unwrap()
}

pub(crate) fn products() -> Vec<Product> {
    let full = Product {
        product_id: product_id("1004856"),
        sku: Sku::new("SM-A205").ok(),
        shop_id: Some("shop-7".into()),
        title: Some("Умные часы".into()),
        description: Some("two\nlines".into()),
        lang: Some("ru".into()),
        category_path: vec!["electronics".into(), "smartphone".into()],
        brand: Some("samsung".into()),
        price: Amount::from_units(131.51).ok(),
        currency: Some(Currency::USD),
        stock: Some(4_000_000_000),
        available: false,
        expires_at: Some(EventTime(253_402_300_799_999)),
        image_url: Some("https://shop.example/1.jpg".into()),
        url: Some("https://shop.example/1".into()),
        variant_of: Some(product_id("1004855")),
        attributes: BTreeMap::from([("color".to_owned(), "black".to_owned())]),
        created_at: EventTime(1_569_888_000_000),
        updated_at: EventTime(1_569_888_000_001),
    };
    vec![Product::bare(product_id("p"), EventTime(0)), full]
}

pub(crate) fn bans() -> Vec<Ban> {
    let ban = |target| Ban {
        target,
        reason: "recalled by its maker".into(),
        author: "admin".into(),
        created_at: EventTime(1_569_888_000_000),
    };
    vec![
        ban(BanTarget::Product(product_id("p"))),
        ban(BanTarget::Sku(Sku::new("SM-A205").unwrap())),
    ]
}

pub(crate) fn impressions() -> Vec<Impression> {
    let shown = |product: &str, score: f32| ShownItem {
        product: product_id(product),
        score: Score::saturating(score),
        source: "popular".into(),
    };
    vec![
        Impression {
            slate_id: SlateId::new("s-1").unwrap(),
            user_id: UserId::new("u").ok(),
            placement: PlacementId::new("home").unwrap(),
            at: EventTime(1_569_888_000_000),
            generation: 17,
            items: vec![shown("p", 0.75), shown("q", -2.5)],
        },
        Impression {
            slate_id: SlateId::new("s-2").unwrap(),
            user_id: None,
            placement: PlacementId::new("cart").unwrap(),
            at: EventTime(0),
            generation: 0,
            items: Vec::new(),
        },
    ]
}
