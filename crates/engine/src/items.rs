//! The item side in the memory of this node: loaded from state at start, then kept up with it.

use crate::error::EngineError;
use crate::shared::Shared;
use parking_lot::{RwLock, RwLockReadGuard};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use vitrina_pipeline::{ItemConfig, ItemTable};
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::Partition;
use vitrina_types::state::{ProductKey, ProductValue};
use vitrina_types::stored::{self, StoredError};

/// Pairs read in one step while loading.
const LOAD_PAGE: usize = 1_000;
/// The item table and who waits for it.
pub(crate) struct ItemSide {
    table: RwLock<ItemTable>,
    changed: watch::Sender<u64>,
}

impl ItemSide {
    pub(crate) fn new(config: ItemConfig) -> Self {
        Self {
            table: RwLock::new(ItemTable::new(config)),
            changed: watch::channel(0).0,
        }
    }

    /// Applies one change. The lock is held for one change only: an answer never waits for more.
    pub(crate) fn apply(&self, key: &ProductKey, value: Option<&ProductValue>) {
        self.table.write().apply(key, value);
    }

    /// Wakes whoever waits for a change.
    pub(crate) fn announce(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// The table, for one answer.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, ItemTable> {
        self.table.read()
    }

    /// Waits until `seen` holds of the table, at most `longest`; answers whether it does.
    pub(crate) async fn wait_until(
        &self,
        longest: Duration,
        seen: impl Fn(&ItemTable) -> bool,
    ) -> bool {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                if seen(&self.table.read()) {
                    return true;
                }
                if changes.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(longest, waiting)
            .await
            .unwrap_or(false)
    }
}

/// Reads all product state into the item side, partitions side by side: decoding is most of it.
pub(crate) async fn load(shared: &Arc<Shared>) -> Result<(), EngineError> {
    let mut loading = JoinSet::new();
    for partition in Partition::all() {
        let shared = Arc::clone(shared);
        loading.spawn(async move { load_partition(&shared, partition).await });
    }
    while let Some(loaded) = loading.join_next().await {
        loaded.map_err(|error| EngineError::CannotStart {
            reason: format!("loading products: {error}"),
        })??;
    }
    Ok(())
}

async fn load_partition(shared: &Shared, partition: Partition) -> Result<(), EngineError> {
    let partition = StatePartition {
        space: Space::Products,
        partition,
    };
    let mut after: Option<String> = None;
    loop {
        let page = shared
            .ports
            .state
            .scan(partition, after.as_deref(), LOAD_PAGE);
        let page = page.await?.values;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.0.clone());
        let mut decoded = Vec::with_capacity(page.len());
        for (key, value) in &page {
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

fn decode(key: &str, value: &[u8]) -> Result<Option<(ProductKey, ProductValue)>, StoredError> {
    // A task's own state has a key of no product.
    let Some(key) = ProductKey::from_stored(key) else {
        return Ok(None);
    };
    Ok(Some((key, stored::decode(value)?)))
}
