//! Products and bans.

use std::collections::BTreeMap;
use vitrina_types::ban::{Ban, BanTarget, Filtered};
use vitrina_types::id::{ProductId, Sku};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::product::Product;
use vitrina_types::time::{EventTime, IngestTime};

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

fn ban(target: BanTarget) -> Ban {
    Ban {
        target,
        reason: "recalled by its maker".into(),
        author: "admin".into(),
        created_at: EventTime(1_569_888_000_000),
    }
}

pub(crate) fn bans() -> Vec<Ban> {
    vec![
        ban(BanTarget::Product(product_id("p"))),
        ban(BanTarget::Sku(Sku::new("SM-A205").unwrap())),
    ]
}

pub(crate) fn text_bans() -> Vec<Ban> {
    vec![
        ban(BanTarget::Brand("Рога и копыта".into())),
        ban(BanTarget::Pattern("часы*реплика".into())),
    ]
}

pub(crate) fn filtered() -> Vec<Filtered> {
    let targets = [text_bans().swap_remove(1), bans().swap_remove(1)];
    let held = targets.into_iter().zip(products());
    held.map(|(ban, product)| Filtered {
        ingest_time: IngestTime(1_569_888_000_000),
        ban: ban.target.id().into(),
        product: Box::new(product),
    })
    .collect()
}
