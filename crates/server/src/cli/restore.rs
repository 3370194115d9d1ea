//! `vitrina restore`: a backup into an empty data directory.
//!
//! Everything is copied beside the directory and checked against the manifest; only a whole copy
//! gets its name.

use super::bar::Bar;
use super::failure::Failure;
use super::manifest::{self, FILES_DIR, Manifest};
use super::shell::Shell;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `vitrina restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Directory that `vitrina backup` wrote
    from: PathBuf,
}

pub(crate) async fn run(shell: &Shell, args: &RestoreArgs) -> Result<(), Failure> {
    super::logging::quiet();
    let data_dir = shell.settings()?.data_dir;
    let (from, to) = (args.from.clone(), data_dir.clone());
    let done = tokio::task::spawn_blocking(move || restore(&from, &to)).await;
    let manifest = done.map_err(|error| Failure::new(error.to_string()))??;
    let result = serde_json::json!({
        "data_dir": data_dir.display().to_string(),
        "files": manifest.files.len(),
        "bytes": manifest.bytes(),
        "created_at": manifest.created_at,
    });
    shell.out.show(&result, || {
        format!(
            "{} files, {} bytes of {} in {}",
            manifest.files.len(),
            manifest.bytes(),
            manifest.created_at,
            data_dir.display()
        )
    })
}

fn restore(from: &Path, to: &Path) -> Result<Manifest, Failure> {
    let manifest = Manifest::read(from)?;
    if !manifest::is_empty(to)? {
        let message = format!("{} is not empty", to.display());
        return Err(Failure::wrong_use(message).hint("restore into a new --data-dir"));
    }
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    let beside = to.with_file_name(name);
    if beside.exists() {
        // Left behind by a restore that did not come to its end.
        std::fs::remove_dir_all(&beside)?;
    }
    std::fs::create_dir_all(&beside)?;
    let copied = copy_checked(&manifest, from, &beside);
    if let Err(failure) = copied {
        std::fs::remove_dir_all(&beside)?;
        return Err(failure);
    }
    if to.exists() {
        std::fs::remove_dir(to)?;
    }
    std::fs::rename(&beside, to)?;
    crate::files::sync_dir(to.parent().unwrap_or(Path::new(".")))?;
    Ok(manifest)
}

fn copy_checked(manifest: &Manifest, from: &Path, to: &Path) -> Result<(), Failure> {
    for path in &manifest.directories {
        std::fs::create_dir_all(manifest::below(to, path)?)?;
    }
    let bar = Bar::over_count("restoring", manifest.files.len() as u64);
    for (file, done) in manifest.files.iter().zip(1..) {
        let source = manifest::below(&from.join(FILES_DIR), &file.path)?;
        let target = manifest::below(to, &file.path)?;
        let (bytes, sha256) = manifest::copy(&source, &target)
            .map_err(|error| Failure::new(format!("{}: {error}", source.display())))?;
        if bytes != file.bytes || sha256 != file.sha256 {
            let message = format!("{} is not what was backed up", source.display());
            return Err(Failure::new(message).hint("the backup is damaged; nothing was restored"));
        }
        bar.at(done);
    }
    manifest::sync_dirs(to)?;
    Ok(())
}
