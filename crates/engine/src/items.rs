//! The item side in the memory of this node: loaded from state at start, then kept up with it.
//!
//! Where this process alone works the product stage, the stage tells every change; elsewhere a
//! [`Tail`] for each partition reads the changed keys from state.

mod load;
mod tail;

use parking_lot::{RwLock, RwLockReadGuard};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;
use vitrina_pipeline::{ItemConfig, ItemTable};
use vitrina_ports::log::Offset;
use vitrina_types::partition::Partition;
use vitrina_types::state::{ProductKey, ProductValue};
use vitrina_types::stored::{self, StoredError};

pub(crate) use load::load;
pub(crate) use tail::Tail;

/// The item table and who waits for it.
pub(crate) struct ItemSide {
    table: RwLock<ItemTable>,
    /// Up to where what each partition's records changed is in the table, where tails read it.
    read_to: Vec<AtomicU64>,
    changed: watch::Sender<u64>,
}

impl ItemSide {
    pub(crate) fn new(config: ItemConfig) -> Self {
        Self {
            table: RwLock::new(ItemTable::new(config)),
            read_to: Partition::all().map(|_| AtomicU64::new(0)).collect(),
            changed: watch::channel(0).0,
        }
    }

    /// Applies one change. The lock is held for one change only: an answer never waits for more.
    pub(crate) fn apply(&self, key: &ProductKey, value: Option<&ProductValue>) {
        self.table.write().apply(key, value);
    }

    /// Up to where what the records of a partition changed is in the table, where tails read it.
    pub(crate) fn read_to(&self, partition: Partition) -> Offset {
        self.read_to[partition.at()].load(Ordering::Acquire)
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

fn decode(key: &str, value: &[u8]) -> Result<Option<(ProductKey, ProductValue)>, StoredError> {
    // A task's own state has a key of no product.
    let Some(key) = ProductKey::from_stored(key) else {
        return Ok(None);
    };
    Ok(Some((key, stored::decode(value)?)))
}
