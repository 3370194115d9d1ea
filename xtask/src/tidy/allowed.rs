//! `xtask/allowed.toml`: the closed lists, read with the lines they stand on.

use super::Violation;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// Where the lists are.
pub(super) const PATH: &str = "xtask/allowed.toml";

/// The lists, and the text they were read from.
pub(super) struct Allowed {
    pub(super) rules: Rules,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// By the name of the crate without `vitrina-`.
    #[serde(rename = "crate")]
    pub(super) crates: BTreeMap<String, CrateRules>,
    #[serde(default, rename = "unsafe")]
    pub(super) unsafe_modules: Vec<Spanned<UnsafeModule>>,
    #[serde(default, rename = "stored_form")]
    pub(super) stored_forms: Vec<Spanned<StoredForm>>,
}

/// What one crate may see.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrateRules {
    /// Knows no clock, file, socket, thread or log line, and is not async.
    #[serde(default)]
    pub(super) pure: bool,
    /// Our crates, without `vitrina-`.
    #[serde(default)]
    pub(super) sees: Vec<Spanned<String>>,
    /// Our crates that only its tests see.
    #[serde(default)]
    pub(super) sees_in_tests: Vec<Spanned<String>>,
    /// Outside packages that it or its build script needs.
    #[serde(default)]
    pub(super) deps: Vec<Spanned<String>>,
    /// Outside packages that only its tests and benches need.
    #[serde(default)]
    pub(super) dev: Vec<Spanned<String>>,
}

/// A file that may say `unsafe`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnsafeModule {
    pub(super) file: String,
    /// Why there is no other way.
    pub(super) reason: String,
    /// The safe function it is tested against.
    pub(super) safe_twin: String,
}

/// A form that is kept or sent, and must be readable for ever.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredForm {
    /// The type that implements `Stored`, or a name of its own when `file` is given.
    pub(super) name: String,
    /// The version written now; versions count from 1.
    pub(super) versions: u64,
    /// One file per version, oldest first.
    pub(super) fixtures: Vec<String>,
    /// Where a form lives that is not behind the `Stored` trait.
    pub(super) file: Option<String>,
}

impl Allowed {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(root.join(PATH)).context(PATH)?;
        let rules = toml::from_str(&text).context(PATH)?;
        Ok(Self { rules, text })
    }

    /// The line, from 1, on which a span begins.
    pub(super) fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    /// The line of a crate's table.
    pub(super) fn line_of_crate(&self, name: &str) -> usize {
        let table = format!("[crate.{name}]");
        let found = self.text.lines().position(|line| line.starts_with(&table));
        found.map_or(1, |before| before + 1)
    }

    pub(super) fn violation(&self, line: usize, rule: &'static str, text: String) -> Violation {
        Violation::new(PATH, line, rule, text)
    }

    /// An entry that nothing needs any more.
    pub(super) fn unused(&self, line: usize, why: &str) -> Violation {
        self.violation(line, "unused-entry", format!("{why}; delete the entry"))
    }
}
