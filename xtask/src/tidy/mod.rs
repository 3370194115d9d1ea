//! The rules that no lint keeps: sizes, words, arrows, licences, purity, fixtures.
//!
//! Whatever is an exception by nature (who may see whom, which dependency, which `unsafe`) is a
//! line in `xtask/allowed.toml`; an entry there that nothing needs any more breaks the rules too.
//! A rule is a function over the tree of files or over Cargo's metadata that appends [`Violation`]s;
//! it never stops at the first, and `xtask/tests/tidy` has seen each of them fire.

mod allowed;
mod licences;
mod pure;
mod source;
mod stored;
mod syntax;
mod text;
mod tokens;
mod tree;
mod workspace;

use allowed::Allowed;
use anyhow::Result;
use std::fmt;
use std::path::Path;
use tree::Tree;

/// One place that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the root of the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Name of the rule.
    pub rule: &'static str,
    /// What is wrong, and what to do about it.
    pub text: String,
}

impl Violation {
    fn new(file: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            rule,
            text: text.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            rule,
            text,
        } = self;
        write!(f, "{file}:{line}: {rule}: {text}")
    }
}

/// Everything in the workspace at `root` that breaks a rule, in order of place.
///
/// # Errors
/// When the workspace cannot be read at all: no `xtask/allowed.toml`, a manifest that Cargo does
/// not understand, a stale lock file, a package that was never downloaded.
pub fn tidy(root: &Path) -> Result<Vec<Violation>> {
    let mut out = tidy_files(root)?;
    out.extend(tidy_crates(root)?);
    out.sort();
    Ok(out)
}

/// The half of the rules that is about files. It runs no Cargo.
///
/// # Errors
/// When a file cannot be read.
pub fn tidy_files(root: &Path) -> Result<Vec<Violation>> {
    let mut out = Vec::new();
    let allowed = Allowed::read(root)?;
    let tree = Tree::read(root)?;
    let sources = source::parse(&tree, &mut out);
    text::check(&tree, &mut out);
    syntax::check(&sources, &mut out);
    tokens::check_unsafe(&sources, &allowed, &mut out);
    pure::check(&tree, &sources, &allowed, &mut out);
    stored::check(root, &sources, &allowed, &mut out);
    out.sort();
    Ok(out)
}

/// The half of the rules that is about crates: arrows, dependencies, lints, licences.
///
/// # Errors
/// As [`tidy`].
pub fn tidy_crates(root: &Path) -> Result<Vec<Violation>> {
    let mut out = Vec::new();
    let allowed = Allowed::read(root)?;
    let tree = Tree::read(root)?;
    let members = crate::cargo::members(root)?;
    workspace::check(root, &tree, &members, &allowed, &mut out);
    licences::check(&tree, &crate::cargo::all_packages(root)?, &mut out);
    out.sort();
    Ok(out)
}
