//! The stores of a service, whatever they are made of.

use super::{EMBEDDED, OpenError, Stores, blocking};
use crate::config::Settings;
use std::sync::Arc;
use vitrina_engine::{CheckpointStores, Ports, Roles};
use vitrina_ports::PortError;
use vitrina_ports::snapshots::SnapshotStore;

/// Stores that are open.
pub trait Backing: Send + Sync {
    /// They as the engine sees them.
    fn ports(self: Arc<Self>) -> Ports;

    /// Where checkpoints are.
    fn snapshots(&self) -> Arc<dyn SnapshotStore>;

    /// What this process needs to take checkpoints; `None` where none are taken. Blocking.
    ///
    /// # Errors
    /// As the store of the follower.
    fn checkpoints(&self) -> Result<Option<CheckpointStores>, PortError>;

    /// What was repaired when they were opened, in words.
    fn repairs(&self) -> &[String];

    /// Closes them. Blocking.
    ///
    /// # Errors
    /// The first store's that could not be closed cleanly; nothing acknowledged is lost.
    fn close(&self) -> Result<(), PortError>;
}

impl Backing for Stores {
    fn ports(self: Arc<Self>) -> Ports {
        Stores::ports(&self)
    }

    fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        Stores::snapshots(self)
    }

    fn checkpoints(&self) -> Result<Option<CheckpointStores>, PortError> {
        Stores::checkpoints(self)
    }

    fn repairs(&self) -> &[String] {
        Stores::repairs(self)
    }

    fn close(&self) -> Result<(), PortError> {
        Stores::close(self)
    }
}

/// Whether log and state are where other processes can work on them too.
pub fn is_shared(settings: &Settings) -> bool {
    settings.log != EMBEDDED || settings.state != EMBEDDED
}

/// Opens what the URLs name, for a process of these roles. Call it on a tokio runtime.
///
/// # Errors
/// [`OpenError`], with what to do.
pub async fn open(settings: &Settings, roles: Roles) -> Result<Arc<dyn Backing>, OpenError> {
    if is_shared(settings) {
        return super::shared::open(settings, roles).await;
    }
    if roles != Roles::all() && !(roles.stream && roles.chores) {
        return Err(OpenError::NotShared);
    }
    let opening = settings.clone();
    let stores = blocking(&settings.data_dir, move || Stores::open(&opening)).await?;
    Ok(stores)
}
