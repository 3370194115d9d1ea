//! `vitrina backup`: a copy of the data directory of a stopped server.
//!
//! The directory is opened, so that it is whole, closed, and held while it is copied: no server
//! can begin to write meanwhile. A running server has to be stopped first.

use super::bar::Bar;
use super::failure::Failure;
use super::manifest::{self, FILES_DIR, Kept, MANIFEST_FILE, Manifest, VERSION};
use super::shell::Shell;
use crate::config::Settings;
use crate::door::{ADDRESS_FILE, running};
use crate::files::write_whole;
use crate::ports::{LOCK_FILE, OpenError, Stores, has_data};
use crate::service::wall_clock;
use clap::Args;
use std::path::{Path, PathBuf};

/// The lock of the event log.
const LOG_LOCK: &str = "log/lock";

/// Arguments of `vitrina backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Directory to write to: absent or empty
    to: PathBuf,
}

pub(crate) async fn run(shell: &Shell, args: &BackupArgs) -> Result<(), Failure> {
    super::logging::quiet();
    let settings = shell.settings()?;
    if let Some(server) = running(&settings.data_dir, None).await {
        let message = format!(
            "a server runs on {} ({})",
            settings.data_dir.display(),
            server.url()
        );
        return Err(Failure::new(message).hint(
            "stop it for the backup; this release does not copy a directory that is being written",
        ));
    }
    if !has_data(&settings.data_dir) {
        return Err(OpenError::NoData(settings.data_dir).into());
    }
    if !manifest::is_empty(&args.to)? {
        let message = format!("{} is not empty", args.to.display());
        return Err(Failure::wrong_use(message).hint("a backup never overwrites anything"));
    }
    let to = args.to.clone();
    let done = tokio::task::spawn_blocking(move || copy_all(&settings, &to)).await;
    let manifest = done.map_err(|error| Failure::new(error.to_string()))??;
    let result = serde_json::json!({
        "to": args.to.display().to_string(),
        "files": manifest.files.len(),
        "bytes": manifest.bytes(),
    });
    shell.out.show(&result, || {
        let (files, bytes) = (manifest.files.len(), manifest.bytes());
        format!("{files} files, {bytes} bytes in {}", args.to.display())
    })
}

fn copy_all(settings: &Settings, to: &Path) -> Result<Manifest, Failure> {
    // Held until the end of this function.
    let stores = Stores::open(settings)?;
    stores.close().map_err(OpenError::from)?;
    let (directories, paths) = manifest::below_all(&settings.data_dir)?;
    for path in &directories {
        std::fs::create_dir_all(manifest::below(&to.join(FILES_DIR), path)?)?;
    }
    let bar = Bar::over_count("copying", paths.len() as u64);
    let mut files = Vec::new();
    for path in paths.into_iter().filter(|path| is_kept(path)) {
        let target = manifest::below(&to.join(FILES_DIR), &path)?;
        let (bytes, sha256) = manifest::copy(&settings.data_dir.join(&path), &target)
            .map_err(|error| Failure::new(format!("{path}: {error}")))?;
        files.push(Kept {
            path,
            bytes,
            sha256,
        });
        bar.at(files.len() as u64);
    }
    bar.clear();
    let manifest = Manifest {
        version: VERSION,
        vitrina: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: wall_clock()(),
        directories,
        files,
    };
    manifest::sync_dirs(to)?;
    // Last: a directory with a manifest is a whole backup.
    let text = serde_json::to_vec_pretty(&manifest)?;
    write_whole(&to.join(MANIFEST_FILE), &text)?;
    Ok(manifest)
}

/// Our locks and the address belong to a process, not to the data.
fn is_kept(path: &str) -> bool {
    path != ADDRESS_FILE && path != LOCK_FILE && path != LOG_LOCK
}
