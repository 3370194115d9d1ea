//! What a backup holds: every file with its length and sum.

use super::failure::Failure;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

/// Name of the manifest in a backup.
pub(crate) const MANIFEST_FILE: &str = "manifest.json";
/// Directory of a backup that holds the files.
pub(crate) const FILES_DIR: &str = "data";
/// The only form there is so far.
pub(crate) const VERSION: u32 = 1;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Path below the data directory, with `/`.
    pub(crate) path: String,
    /// Its length.
    pub(crate) bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub(crate) sha256: String,
}

/// The list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Form of this list.
    pub(crate) version: u32,
    /// Release that wrote it.
    pub(crate) vitrina: String,
    /// When.
    pub(crate) created_at: vitrina_types::time::IngestTime,
    /// Directories, in order of their paths: some stores need theirs even when empty.
    pub(crate) directories: Vec<String>,
    /// The files, in order of their paths.
    pub(crate) files: Vec<Kept>,
}

impl Manifest {
    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Reads the manifest of a backup.
    pub(crate) fn read(backup: &Path) -> Result<Self, Failure> {
        let path = backup.join(MANIFEST_FILE);
        let text = std::fs::read(&path).map_err(|error| {
            Failure::new(format!("{}: {error}", path.display()))
                .hint("name the directory that `vitrina backup` wrote")
        })?;
        let manifest: Self = serde_json::from_slice(&text)
            .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
        if manifest.version != VERSION {
            let version = manifest.version;
            return Err(Failure::new(format!(
                "the backup has form {version}, this release reads {VERSION}"
            )));
        }
        let files = manifest.files.iter().map(|file| &file.path);
        for path in manifest.directories.iter().chain(files) {
            below(Path::new("."), path)?;
        }
        Ok(manifest)
    }
}

/// The place of `path` below `dir`; refuses one that would lead out of it.
pub(crate) fn below(dir: &Path, path: &str) -> Result<PathBuf, Failure> {
    let inside = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || !inside {
        return Err(Failure::new(format!(
            "the manifest names a file outside the backup: {path}"
        )));
    }
    Ok(dir.join(path))
}

/// Copies one file, durably; answers its length and sum.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<(u64, String)> {
    if let Some(dir) = to.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let (mut input, mut output) = (File::open(from)?, File::create_new(to)?);
    let (mut hasher, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 256 * 1_024];
    loop {
        let got = input.read(&mut buffer)?;
        if got == 0 {
            break;
        }
        hasher.update(&buffer[..got]);
        output.write_all(&buffer[..got])?;
        bytes += got as u64;
    }
    output.sync_all()?;
    let sum = hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok((bytes, sum))
}

/// Directories and files below `dir`, as paths with `/`, each in order.
pub(crate) fn below_all(dir: &Path) -> io::Result<(Vec<String>, Vec<String>)> {
    let (mut directories, mut files, mut open) = (Vec::new(), Vec::new(), vec![String::new()]);
    while let Some(at) = open.pop() {
        for entry in std::fs::read_dir(dir.join(&at))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if at.is_empty() {
                name
            } else {
                format!("{at}/{name}")
            };
            if entry.file_type()?.is_dir() {
                directories.push(path.clone());
                open.push(path);
            } else {
                files.push(path);
            }
        }
    }
    directories.sort();
    files.sort();
    Ok((directories, files))
}

/// Makes all directories below `dir`, and itself, durable.
pub(crate) fn sync_dirs(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_dirs(&entry.path())?;
        }
    }
    crate::files::sync_dir(dir)
}

/// Whether a directory is not there, or has nothing in it.
pub(crate) fn is_empty(dir: &Path) -> io::Result<bool> {
    match std::fs::read_dir(dir) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_cannot_lead_out_of_the_directory() {
        #[rustfmt::skip]
        let cases = [
            ("log/1.seg", true), ("a", true), ("", false), ("../a", false), ("/etc/passwd", false),
            ("a/../../b", false), ("./a", false),
        ];
        for (path, good) in cases {
            assert_eq!(below(Path::new("d"), path).is_ok(), good, "{path}");
        }
    }

    #[test]
    fn a_copy_has_the_sum_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "abc").unwrap();
        let to = dir.path().join("deep/er/b");
        let (bytes, sum) = copy(&dir.path().join("a"), &to).unwrap();
        assert_eq!(bytes, 3);
        assert_eq!(
            sum,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let (directories, files) = below_all(dir.path()).unwrap();
        assert_eq!(directories, ["deep", "deep/er"]);
        assert_eq!(files, ["a", "deep/er/b"]);
        assert!(
            copy(&dir.path().join("a"), &to).is_err(),
            "nothing is overwritten"
        );
    }
}
