//! Images of a data directory as a killed process leaves it, for the tests of this crate.

use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Bytes of the disk that no test disk has free.
pub(crate) const MORE_THAN_ANY_DISK: u64 = 1 << 60;

/// A copy of the directory as it is now: what a `kill -9` would leave.
pub(crate) fn image(dir: &Path) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    copy(dir, image.path());
    image
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The newest journal of a database.
pub(crate) fn journal(dir: &Path) -> PathBuf {
    let paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let journals = paths.filter(|path| path.extension().is_some_and(|e| e == "jnl"));
    journals.max().unwrap()
}

/// Turns all bits of the last byte of the last place in `file` where `pattern` is.
pub(crate) fn damage(file: &Path, pattern: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let mut windows = bytes.windows(pattern.len());
    let at = windows.rposition(|window| window == pattern).unwrap();
    bytes[at + pattern.len() - 1] ^= 0xff;
    fs::write(file, bytes).unwrap();
}

/// Names in a directory, sorted.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names
}
