//! The directory of a database: created whole or not at all, moved aside when damaged.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What is in the directory of every fjall database: the mark of its format, and the keyspace
/// that knows the others.
const PARTS: [&str; 2] = ["version", "keyspaces/0"];

/// When `dir` is missing or empty, lets `create` make a database in a directory beside it and renames that
/// one: a process killed while it creates a database leaves nothing that looks like one.
pub(super) fn create_if_missing<T, E: From<io::Error>>(
    dir: &Path,
    create: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<(), E> {
    if dir.try_exists()? && fs::read_dir(dir)?.next().is_some() {
        return Ok(());
    }
    let unfinished = beside(dir, "new");
    if unfinished.try_exists()? {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir_all(&unfinished)?;
    drop(create(&unfinished)?);
    fs::rename(&unfinished, dir)?;
    sync_parent(dir)?;
    Ok(())
}

/// Refuses a directory that is no whole database: fjall would begin an empty one inside it.
pub(super) fn check_is_whole(dir: &Path) -> io::Result<()> {
    for part in PARTS {
        let path = dir.join(part);
        if !path.try_exists()? {
            let text = format!("{} is missing", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
    }
    Ok(())
}

/// Moves the database aside, to the first free `<dir>.damaged-<n>`.
pub(super) fn move_aside(dir: &Path) -> io::Result<PathBuf> {
    let aside = first_free(dir, "damaged")?;
    fs::rename(dir, &aside)?;
    sync_parent(dir)?;
    Ok(aside)
}

/// Copies a file of the database to the first free `<dir>.cut-<n>`.
pub(super) fn keep_copy(dir: &Path, file: &Path) -> io::Result<()> {
    fs::copy(file, first_free(dir, "cut")?)?;
    Ok(())
}

fn first_free(dir: &Path, what: &str) -> io::Result<PathBuf> {
    for number in 1..=u32::MAX {
        let path = beside(dir, &format!("{what}-{number}"));
        if !path.try_exists()? {
            return Ok(path);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut name = dir.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(ending);
    dir.with_file_name(name)
}

fn sync_parent(dir: &Path) -> io::Result<()> {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}
