//! Snapshots in a folder, or in the object store of a cloud: one adapter, chosen by URL.
//!
//! The law is the port's: an object is there whole or not at all, and durable when the put
//! resolves. A cloud keeps it by itself; what a folder needs for it is in [`folder`].

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use std::sync::Arc;
use vitrina_ports::snapshots::{
    OBJECT_BYTES_MAX, SnapshotObject, SnapshotStore, check_object, check_path, check_prefix, exists,
};
use vitrina_ports::{PortError, PortFuture};

#[cfg(feature = "cloud")]
mod cloud;
mod failure;
mod folder;
#[cfg(test)]
mod tests;

use failure::{port_error, unavailable};
use folder::Folder;

/// The port, in errors.
const PORT: &str = "snapshot store";

/// A snapshot store at a URL.
pub struct SnapshotFolder {
    store: Arc<dyn ObjectStore>,
    /// Where a local disk is behind it, which has to be told what to keep.
    folder: Option<Folder>,
}

impl SnapshotFolder {
    /// Opens the store at `url`. `file:` and a path, absolute or not, is a folder, made where it
    /// is missing: `file:/var/lib/vitrina/snapshots`, `file:snapshots`. The path is taken as it
    /// is, nothing in it is escaped.
    ///
    /// With the feature `cloud` also `s3://bucket/prefix`, `gs://bucket/prefix` and
    /// `az://container@account/prefix`, with credentials from the variables of the environment
    /// that begin with `AWS_`, `GOOGLE_` or `AZURE_`. Nothing is asked of a cloud yet: what is
    /// wrong there shows with the first call.
    ///
    /// # Errors
    /// `Invalid` for another URL, or one that this build has no feature for; `Unavailable` when
    /// the folder cannot be made.
    pub fn open(url: &str) -> Result<Self, PortError> {
        if let Some(path) = url.strip_prefix("file:") {
            let (folder, store) = Folder::open(path)?;
            return Ok(Self {
                store: Arc::new(store),
                folder: Some(folder),
            });
        }
        open_elsewhere(url)
    }

    async fn keep(&self, path: &str, bytes: Bytes) -> Result<(), PortError> {
        check_object(path, &bytes)?;
        let location = location(path)?;
        let options = PutOptions::from(PutMode::Create);
        let payload = PutPayload::from(bytes.clone());
        match self.store.put_opts(&location, payload, options).await {
            Ok(_) => {}
            // With the same bytes it is the same put again, perhaps of one that was interrupted
            // before it was durable.
            Err(object_store::Error::AlreadyExists { .. }) => {
                if self.read(&location).await? != Some(bytes) {
                    return Err(exists(path));
                }
            }
            Err(error) => return Err(port_error(&error)),
        }
        match &self.folder {
            Some(folder) => folder.sync(path).await,
            None => Ok(()),
        }
    }

    async fn read(&self, location: &ObjectPath) -> Result<Option<Bytes>, PortError> {
        let found = match self.store.get(location).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(port_error(&error)),
        };
        if found.meta.size > OBJECT_BYTES_MAX as u64 {
            return Err(PortError::TooLarge {
                what: "bytes of an object",
                got: found.meta.size as usize,
                limit: OBJECT_BYTES_MAX,
            });
        }
        let read = found.bytes().await;
        read.map(Some).map_err(|error| port_error(&error))
    }

    async fn below(&self, prefix: &str) -> Result<Vec<SnapshotObject>, PortError> {
        check_prefix(prefix)?;
        let folder = location(prefix)?;
        let metas = self.store.list((!prefix.is_empty()).then_some(&folder));
        let metas: Vec<ObjectMeta> = metas
            .try_collect()
            .await
            .map_err(|error| port_error(&error))?;
        let objects = metas.into_iter().filter_map(|meta| {
            let path = String::from(meta.location);
            let bytes = meta.size;
            // What is no path was not put here by us.
            check_path(&path)
                .is_ok()
                .then_some(SnapshotObject { path, bytes })
        });
        let mut objects: Vec<SnapshotObject> = objects.collect();
        objects.sort_unstable();
        Ok(objects)
    }

    async fn remove(&self, path: &str) -> Result<bool, PortError> {
        check_path(path)?;
        let location = location(path)?;
        // Asked first: a cloud deletes what is not there, and a disk no folder.
        match self.store.head(&location).await {
            Ok(_) => {}
            Err(object_store::Error::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(port_error(&error)),
        }
        match self.store.delete(&location).await {
            Ok(()) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(port_error(&error)),
        }
    }
}

fn location(path: &str) -> Result<ObjectPath, PortError> {
    ObjectPath::parse(path).map_err(|error| unavailable(error.to_string()))
}

#[cfg(feature = "cloud")]
fn open_elsewhere(url: &str) -> Result<SnapshotFolder, PortError> {
    Ok(SnapshotFolder {
        store: cloud::open(url)?,
        folder: None,
    })
}

#[cfg(not(feature = "cloud"))]
fn open_elsewhere(url: &str) -> Result<SnapshotFolder, PortError> {
    Err(PortError::Invalid {
        what: address(url),
        expected: "file: and a folder; for s3://, gs:// and az:// build vitrina-snapshots with \
                   its feature `cloud`",
    })
}

/// What may be said of a URL: the rest of it can hold secrets.
fn address(url: &str) -> String {
    match url.split_once(':') {
        Some((scheme, _)) => format!("snapshot store at {scheme}:…"),
        None => "snapshot store at an address without a scheme".into(),
    }
}

impl SnapshotStore for SnapshotFolder {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        Box::pin(self.keep(path, bytes))
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            check_path(path)?;
            self.read(&location(path)?).await
        })
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        Box::pin(self.below(prefix))
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        Box::pin(self.remove(path))
    }
}
