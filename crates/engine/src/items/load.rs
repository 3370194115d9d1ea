//! Reading product state as a whole.

use super::Tail;
use super::decode;
use super::tail::BAN;
use crate::error::EngineError;
use crate::shared::Shared;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::Partition;

/// Pairs read in one step while loading.
const LOAD_PAGE: usize = 1_000;

/// Reads all product state into the item side, partitions side by side: decoding is most of it.
/// Answers who follows each partition from there on.
///
/// # Errors
/// `CannotStart` for a value that does not decode; the state store's.
pub(crate) async fn load(shared: &Arc<Shared>) -> Result<Vec<Tail>, EngineError> {
    let mut loading = JoinSet::new();
    for partition in Partition::all() {
        let shared = Arc::clone(shared);
        loading.spawn(async move {
            let mut bans = BTreeSet::new();
            let mut each = |key: &str| {
                if key.starts_with(BAN) {
                    bans.insert(key.to_owned());
                }
            };
            let position = load_partition(&shared, partition, &mut each).await?;
            Ok::<_, EngineError>(Tail::new(partition, position, bans))
        });
    }
    let mut tails = Vec::new();
    while let Some(loaded) = loading.join_next().await {
        let loaded = loaded.map_err(|error| EngineError::CannotStart {
            reason: format!("loading products: {error}"),
        })?;
        tails.push(loaded?);
    }
    Ok(tails)
}

/// Reads the state of one partition into the item side; `each` is told every key. Answers the
/// lowest position of what was read: everything from there on may be in it or not.
///
/// # Errors
/// As [`load`].
pub(super) async fn load_partition(
    shared: &Shared,
    partition: Partition,
    each: &mut (dyn FnMut(&str) + Send),
) -> Result<Offset, EngineError> {
    let at = StatePartition {
        space: Space::Products,
        partition,
    };
    let mut after: Option<String> = None;
    let mut lowest = Offset::MAX;
    loop {
        let state = &shared.ports.state;
        let page = state.scan(at, after.as_deref(), LOAD_PAGE).await?;
        lowest = lowest.min(page.position);
        let Some(last) = page.values.last() else {
            return Ok(lowest);
        };
        after = Some(last.0.clone());
        let mut decoded = Vec::with_capacity(page.values.len());
        for (key, value) in &page.values {
            each(key);
            let change = decode(key, value).map_err(|error| EngineError::CannotStart {
                reason: format!("{key}: {error}; restore a backup"),
            })?;
            decoded.extend(change);
        }
        let mut table = shared.items.table.write();
        for (key, value) in &decoded {
            table.apply(key, Some(value));
        }
    }
}
