//! Products and bans: writes to the catalogue that the next answer knows.

use crate::error::EngineError;
use crate::shared::Shared;
use bytes::Bytes;
use vitrina_ports::PortError;
use vitrina_ports::catalogue::{Entry, Expect, Kind, Outcome, Write};
use vitrina_types::ban::{Ban, BanTarget, TEXT_BANS_MAX};
use vitrina_types::id::ProductId;
use vitrina_types::product::Product;
use vitrina_types::stored::{self, Stored};

/// What became of a catalogue write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Accepted or refused.
    pub outcome: Outcome,
    /// Whether answers of this node are known to see it. `false` when it was not waited for, or
    /// not long enough; it will be seen.
    pub visible: bool,
}

/// A record of the catalogue with its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<T> {
    /// The version.
    pub version: u64,
    /// The record.
    pub value: T,
}

fn read<T: Stored>(entry: &Entry) -> Result<Kept<T>, EngineError> {
    let value = stored::decode(&entry.body).map_err(|error| PortError::Damaged {
        what: format!("{}: {error}", entry.id),
    })?;
    Ok(Kept {
        version: entry.version,
        value,
    })
}

async fn get<T: Stored>(
    shared: &Shared,
    kind: Kind,
    id: &str,
) -> Result<Option<Kept<T>>, EngineError> {
    let entry = shared.ports.catalogue.get(kind, id).await?;
    entry.as_ref().map(read).transpose()
}

async fn list<T: Stored>(
    shared: &Shared,
    kind: Kind,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Kept<T>>, EngineError> {
    let entries = shared.ports.catalogue.list(kind, after, limit).await?;
    entries.iter().map(read).collect()
}

/// The product with this id.
pub(crate) async fn product(
    shared: &Shared,
    id: &ProductId,
) -> Result<Option<Kept<Product>>, EngineError> {
    get(shared, Kind::Product, id.as_str()).await
}

/// Products after an id, in id order.
pub(crate) async fn products(
    shared: &Shared,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Kept<Product>>, EngineError> {
    list(shared, Kind::Product, after, limit).await
}

/// Writes products; with `wait`, until answers see the last of them.
pub(crate) async fn put_products(
    shared: &Shared,
    products: Vec<(Product, Expect)>,
    wait: bool,
) -> Result<Vec<Written>, EngineError> {
    let ids: Vec<ProductId> = products.iter().map(|p| p.0.product_id.clone()).collect();
    let writes = products.into_iter().map(|(product, expect)| Write {
        kind: Kind::Product,
        id: product.product_id.as_str().to_owned(),
        expect,
        body: Some(Bytes::from(stored::encode(&product))),
    });
    let outcomes = shared.ports.catalogue.write(writes.collect()).await?;
    let versions: Vec<(&ProductId, u64)> = ids
        .iter()
        .zip(&outcomes)
        .filter_map(|(id, outcome)| match outcome {
            Outcome::Written { version, .. } => Some((id, *version)),
            Outcome::Conflict { .. } => None,
        })
        .collect();
    let visible = wait && wait_for_cards(shared, &versions).await;
    let written = outcomes.into_iter().map(|outcome| Written {
        outcome,
        visible: visible && matches!(outcome, Outcome::Written { .. }),
    });
    Ok(written.collect())
}

async fn wait_for_cards(shared: &Shared, versions: &[(&ProductId, u64)]) -> bool {
    let seen = shared
        .items
        .wait_until(shared.options.visible_wait, |table| {
            versions
                .iter()
                .all(|(id, version)| table.card_version(id.as_str()) >= *version)
        });
    seen.await
}

/// Deletes a product and waits until answers see it.
pub(crate) async fn delete_product(
    shared: &Shared,
    id: &ProductId,
    expect: Expect,
) -> Result<Written, EngineError> {
    let outcome = write_one(shared, Kind::Product, id.as_str(), expect, None).await?;
    let Outcome::Written { version, .. } = outcome else {
        return Ok(Written {
            outcome,
            visible: false,
        });
    };
    let visible = wait_for_cards(shared, &[(id, version)]).await;
    Ok(Written { outcome, visible })
}

async fn write_one(
    shared: &Shared,
    kind: Kind,
    id: &str,
    expect: Expect,
    body: Option<Bytes>,
) -> Result<Outcome, EngineError> {
    let write = Write {
        kind,
        id: id.to_owned(),
        expect,
        body,
    };
    let outcomes = shared.ports.catalogue.write(vec![write]).await?;
    outcomes.into_iter().next().ok_or_else(|| {
        EngineError::Port(PortError::Unavailable {
            port: "catalogue",
            detail: "answered no outcome for a write".to_owned(),
        })
    })
}

/// Sets a ban and waits until answers see it.
///
/// # Errors
/// `TooMany` when it would be one brand or pattern more than may be banned.
pub(crate) async fn set_ban(shared: &Shared, ban: &Ban) -> Result<Written, EngineError> {
    let body = Bytes::from(stored::encode(ban));
    if !ban.target.is_text() {
        return write_ban(shared, &ban.target, Expect::Any, Some(body)).await;
    }
    let one_at_a_time = shared.text_bans.lock().await;
    let id = ban.target.id();
    let known = shared.ports.catalogue.get(Kind::Ban, &id).await?;
    if known.is_none() && count_text_bans(shared).await? >= TEXT_BANS_MAX {
        return Err(EngineError::TooMany {
            what: "bans on brands and patterns",
            limit: TEXT_BANS_MAX,
        });
    }
    let outcome = write_one(shared, Kind::Ban, &id, Expect::Any, Some(body)).await?;
    drop(one_at_a_time);
    see_ban(shared, &id, outcome).await
}

/// Bans on brands and patterns in force; counting ends at the limit.
async fn count_text_bans(shared: &Shared) -> Result<usize, EngineError> {
    let mut count = 0;
    for prefix in ["brand:", "pattern:"] {
        let catalogue = &shared.ports.catalogue;
        let found = catalogue
            .list(Kind::Ban, Some(prefix), TEXT_BANS_MAX)
            .await?;
        count += found
            .iter()
            .filter(|ban| ban.id.starts_with(prefix))
            .count();
    }
    Ok(count)
}

/// Lifts a ban and waits until answers see it.
///
/// # Errors
/// `NotFound` when there is no such ban.
pub(crate) async fn lift_ban(shared: &Shared, target: &BanTarget) -> Result<Written, EngineError> {
    let written = write_ban(shared, target, Expect::Present, None).await?;
    match written.outcome {
        Outcome::Conflict { .. } => Err(EngineError::NotFound { what: "ban" }),
        Outcome::Written { .. } => Ok(written),
    }
}

async fn write_ban(
    shared: &Shared,
    target: &BanTarget,
    expect: Expect,
    body: Option<Bytes>,
) -> Result<Written, EngineError> {
    let id = target.id();
    let outcome = write_one(shared, Kind::Ban, &id, expect, body).await?;
    see_ban(shared, &id, outcome).await
}

/// Waits until answers see what was written of a ban.
async fn see_ban(shared: &Shared, id: &str, outcome: Outcome) -> Result<Written, EngineError> {
    let Outcome::Written { version, .. } = outcome else {
        return Ok(Written {
            outcome,
            visible: false,
        });
    };
    let visible = shared
        .items
        .wait_until(shared.options.visible_wait, |table| {
            table.ban_version(id) >= version
        })
        .await;
    Ok(Written { outcome, visible })
}

/// Bans after an id, in id order.
pub(crate) async fn bans(
    shared: &Shared,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<Kept<Ban>>, EngineError> {
    list(shared, Kind::Ban, after, limit).await
}
