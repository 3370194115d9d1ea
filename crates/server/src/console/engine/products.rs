//! Products of the catalogue, and bans.

use super::EngineSource;
use crate::console::source::SourceError;
use crate::console::view::{Card, ProductLine, ProductList};
use std::collections::HashSet;
use vitrina_engine::EngineError;
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::id::ProductId;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Products read in one step of a search.
const STEP: usize = 500;
/// Products one search reads at most; beyond it says so. Full-text search is another crate's.
const READ_MAX: usize = 20_000;
/// Bans looked at.
const BANS_MAX: usize = 10_000;

/// Bans in force, by their ids.
struct Bans(HashSet<String>);

impl Bans {
    async fn read(source: &EngineSource) -> Result<Self, SourceError> {
        let mut ids = HashSet::new();
        let mut after: Option<String> = None;
        while ids.len() < BANS_MAX {
            let page = source.engine.bans(after.as_deref(), STEP).await?;
            after = page.last().map(|kept| kept.value.target.id());
            let last = page.len() < STEP;
            ids.extend(page.into_iter().map(|kept| kept.value.target.id()));
            if last {
                break;
            }
        }
        Ok(Self(ids))
    }

    fn hold(&self, target: BanTarget) -> bool {
        self.0.contains(&target.id())
    }
}

fn line(product: &Product, bans: &Bans, now: EventTime) -> ProductLine {
    let price = product.price.map(|price| {
        let currency = product.currency.as_ref().map_or("", |c| c.as_str());
        format!("{price} {currency}").trim_end().to_owned()
    });
    let sku = product.sku.clone().map(BanTarget::Sku);
    ProductLine {
        card: Card {
            product_id: product.product_id.to_string(),
            shown_as: product.shown_as(),
            brand: product.brand.as_deref().map(str::to_owned),
            category: product.category(),
            price,
        },
        in_catalogue: true,
        stock: product.stock,
        offered: product.is_offered(now),
        banned: bans.hold(BanTarget::Product(product.product_id.clone())),
        sku_banned: sku.is_some_and(|sku| bans.hold(sku)),
        updated_at: Some(product.updated_at),
    }
}

/// The product with this id: of the catalogue, else as events speak of it.
async fn exact(
    source: &EngineSource,
    id: &ProductId,
    bans: &Bans,
) -> Result<Option<ProductLine>, SourceError> {
    if let Some(kept) = source.engine.product(id).await? {
        let now = source.engine.now().as_event_time();
        return Ok(Some(line(&kept.value, bans, now)));
    }
    Ok(source.engine.card(id).map(|card| ProductLine {
        card: super::card(card),
        in_catalogue: false,
        stock: None,
        offered: true,
        banned: bans.hold(BanTarget::Product(id.clone())),
        sku_banned: false,
        updated_at: None,
    }))
}

fn matches(product: &Product, find: &str) -> bool {
    let holds = |text: &str| text.to_lowercase().contains(find);
    holds(&product.shown_as())
        || product.brand.as_deref().is_some_and(holds)
        || product.category_path.iter().any(|level| holds(level))
        || holds(product.product_id.as_str())
}

pub(super) async fn list(
    source: &EngineSource,
    find: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<ProductList, SourceError> {
    let bans = Bans::read(source).await?;
    if after.is_none()
        && let Ok(id) = ProductId::new(find)
        && let Some(line) = exact(source, &id, &bans).await?
    {
        return Ok(ProductList {
            lines: vec![line],
            ..ProductList::default()
        });
    }
    let now = source.engine.now().as_event_time();
    let find = find.to_lowercase();
    let mut list = ProductList::default();
    let mut after = after.map(str::to_owned);
    let mut read = 0;
    loop {
        let page = source.engine.products(after.as_deref(), STEP).await?;
        for kept in &page {
            if list.lines.len() == limit {
                // There is more, at least one product: the next page begins behind the last read.
                list.next = after;
                return Ok(list);
            }
            after = Some(kept.value.product_id.to_string());
            if find.is_empty() || matches(&kept.value, &find) {
                list.lines.push(line(&kept.value, &bans, now));
            }
        }
        read += page.len();
        if page.len() < STEP {
            return Ok(list);
        }
        if read >= READ_MAX {
            list.partial = true;
            list.next = after;
            return Ok(list);
        }
    }
}

pub(super) async fn set_ban(
    source: &EngineSource,
    product_id: &str,
    banned: bool,
) -> Result<ProductLine, SourceError> {
    let id = ProductId::new(product_id)?;
    let target = BanTarget::Product(id.clone());
    if banned {
        let ban = Ban {
            target,
            reason: "set in the console".into(),
            author: "console".into(),
            created_at: source.engine.now().as_event_time(),
        };
        source.engine.set_ban(&ban).await?;
    } else {
        match source.engine.lift_ban(&target).await {
            // Somebody was quicker: it is lifted, as was wanted.
            Ok(_) | Err(EngineError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let bans = Bans::read(source).await?;
    let line = exact(source, &id, &bans).await?;
    line.ok_or_else(|| SourceError::NotFound(format!("product {id}")))
}
