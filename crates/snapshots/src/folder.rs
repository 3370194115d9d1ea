//! A folder on a local disk, which keeps only what it was told to keep.
//!
//! `object_store` writes an object to a file beside its place, `<name>#<n>`, which it neither
//! lists nor opens, and links it there when all is written. With its fsync on (off by default,
//! and then a power cut leaves an object of zeros) the file is on the disk before it is linked,
//! and the folder it is linked in after. That is not all of it: the folders above are only synced
//! by the put that makes them. One that finds them made by another put that is still on its way,
//! or was interrupted, says nothing of them, and neither does one that finds its object there. So
//! every put syncs the whole way here before it resolves: a few calls more for an object a minute.

use crate::failure::{disk_error, port_error};
use object_store::local::LocalFileSystem;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use vitrina_ports::PortError;

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder at `path`, made where it is missing, and the store in it.
    pub(crate) fn open(path: &str) -> Result<(Self, LocalFileSystem), PortError> {
        // `file:///a` and `file:/a` are the same folder.
        let path = match path.strip_prefix("//") {
            Some(absolute) if absolute.starts_with('/') => absolute,
            Some(_) => return Err(no_folder("a folder of another machine")),
            None if path.is_empty() => return Err(no_folder("no folder")),
            None => path,
        };
        let made = std::path::absolute(path).and_then(|root| {
            make(&root)?;
            root.canonicalize()
        });
        let root = made.map_err(|error| disk_error(path, &error))?;
        let store = LocalFileSystem::new_with_prefix(&root);
        let store = store.map_err(|error| port_error(&error))?;
        Ok((Self { root }, store.with_fsync(true)))
    }

    /// Makes the object at `path` survive a power cut: its file, and every folder it lies in.
    pub(crate) async fn sync(&self, path: &str) -> Result<(), PortError> {
        let (root, file) = (self.root.clone(), self.root.join(path));
        let synced = tokio::task::spawn_blocking(move || {
            sync(&file)?;
            let folders = file.ancestors().skip(1);
            let mut folders = folders.take_while(|folder| folder.starts_with(&root));
            folders.try_for_each(sync)
        });
        let synced = synced
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        synced.map_err(|error| disk_error(path, &error))
    }
}

fn no_folder(what: &str) -> PortError {
    PortError::Invalid {
        what: format!("snapshot store in {what}"),
        expected: "file:/absolute/path or file:relative/path",
    }
}

/// Makes a folder and those above it, durably.
fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|f| !f.exists()).collect();
    fs::create_dir_all(folder)?;
    let mut above = missing.into_iter().filter_map(Path::parent);
    above.try_for_each(sync)
}

/// Syncs a file, or the names in a folder.
fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
