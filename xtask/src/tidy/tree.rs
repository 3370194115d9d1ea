//! The text files of the workspace.

use anyhow::{Context, Result};
use std::path::Path;

/// Every text file that Git would track.
pub(super) struct Tree {
    /// In order of path.
    pub(super) texts: Vec<Text>,
}

/// A file that is UTF-8.
pub(super) struct Text {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let texts = read_texts(root)?;
        Ok(Self { texts })
    }

    /// The text of one file.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let found = self.texts.iter().find(|t| t.path == path)?;
        Some(&found.text)
    }

    /// Line of the first line of `path` that starts with `prefix`; 1 when there is none.
    pub(super) fn line_starting(&self, path: &str, prefix: &str) -> usize {
        let text = self.text(path).unwrap_or_default();
        let found = text.lines().position(|line| line.starts_with(prefix));
        found.map_or(1, |before| before + 1)
    }

    /// Line of a TOML key, plain (`key = …`) or dotted (`key.workspace = …`).
    pub(super) fn line_of_key(&self, path: &str, key: &str) -> usize {
        let text = self.text(path).unwrap_or_default();
        let is_key = |line: &str| {
            line.strip_prefix(key)
                .is_some_and(|r| r.starts_with([' ', '=', '.']))
        };
        text.lines().position(is_key).map_or(1, |before| before + 1)
    }
}

/// Reads what `.gitignore` does not exclude. Git itself is not asked: an exported tree has none.
fn read_texts(root: &Path) -> Result<Vec<Text>> {
    let mut texts = Vec::new();
    let walk = ignore::WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .require_git(false)
        .git_global(false)
        .filter_entry(|entry| entry.file_name() != ".git" && entry.file_name() != "target")
        .sort_by_file_path(Path::cmp)
        .build();
    for entry in walk {
        let entry = entry?;
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let bytes = match std::fs::read(entry.path()) {
            Ok(bytes) => bytes,
            // Editors and other builds remove their scratch files while we walk.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).context(entry.path().display().to_string()),
        };
        // What is not UTF-8 (compressed data, images, stored fixtures) has no lines to judge.
        if let Ok(text) = String::from_utf8(bytes) {
            let path = relative(root, entry.path());
            texts.push(Text { path, text });
        }
    }
    Ok(texts)
}

/// `path` below `root`, with `/`.
pub(super) fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}
