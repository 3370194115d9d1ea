//! The item side in the memory of this node: loaded from state at start, then kept up with it.

use crate::error::EngineError;
use parking_lot::{RwLock, RwLockReadGuard};
use std::time::Duration;
use tokio::sync::watch;
use vitrina_pipeline::{ItemConfig, ItemTable};
use vitrina_ports::state::{Space, StatePartition, StateStore};
use vitrina_types::partition::Partition;
use vitrina_types::state::{ProductKey, ProductValue, TaskState};
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

    /// Reads all product state.
    pub(crate) async fn load(&self, state: &dyn StateStore) -> Result<(), EngineError> {
        for partition in Partition::all() {
            let partition = StatePartition {
                space: Space::Products,
                partition,
            };
            let mut after: Option<String> = None;
            loop {
                let page = state.scan(partition, after.as_deref(), LOAD_PAGE).await?;
                let Some(last) = page.values.last() else {
                    break;
                };
                after = Some(last.0.clone());
                let mut table = self.table.write();
                for (key, value) in &page.values {
                    apply_stored(&mut table, key, value).map_err(|error| {
                        EngineError::CannotStart {
                            reason: format!("{key}: {error}; restore a backup"),
                        }
                    })?;
                }
            }
        }
        Ok(())
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

fn apply_stored(table: &mut ItemTable, key: &str, value: &[u8]) -> Result<(), StoredError> {
    if key == TaskState::KEY {
        return Ok(());
    }
    if let Some(key) = ProductKey::from_stored(key) {
        let value: ProductValue = stored::decode(value)?;
        table.apply(&key, Some(&value));
    }
    Ok(())
}
