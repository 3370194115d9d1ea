//! Crates and their arrows: who sees whom, which outside package is needed where.

use super::Violation;
use super::allowed::{Allowed, CrateRules, PATH};
use super::tree::{Tree, relative};
use crate::cargo::{DependencyKind, Metadata, Package};
use std::collections::BTreeSet;
use std::path::Path;
use toml::Spanned;

/// What all our packages' names begin with; left out in `allowed.toml`.
const PREFIX: &str = "vitrina-";

pub(super) fn check(
    root: &Path,
    tree: &Tree,
    metadata: &Metadata,
    allowed: &Allowed,
    out: &mut Vec<Violation>,
) {
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let absent = CrateRules::default();
    for package in &metadata.packages {
        let manifest = relative(root, &package.manifest_path);
        inherits_lints(tree, &manifest, out);
        let name = short(&package.name);
        let rules = allowed.rules.crates.get(name);
        if rules.is_none() {
            let text = format!("{name} is not listed; write in {PATH}: [crate.{name}]");
            out.push(Violation::new(&manifest, 1, "crate", text));
        }
        let lists = Lists {
            tree,
            allowed,
            manifest: &manifest,
            name,
        };
        lists.check(package, &ours, rules.unwrap_or(&absent), out);
    }
    for name in allowed.rules.crates.keys() {
        if !ours.iter().any(|package| short(package) == name) {
            let line = allowed.line_of_crate(name);
            out.push(allowed.unused(line, &format!("there is no crate {name}")));
        }
    }
    denies_missing_docs(tree, out);
}

fn short(package: &str) -> &str {
    package.strip_prefix(PREFIX).unwrap_or(package)
}

/// The four lists of one crate, against what its manifest asks for.
struct Lists<'a> {
    tree: &'a Tree,
    allowed: &'a Allowed,
    manifest: &'a str,
    name: &'a str,
}

impl Lists<'_> {
    fn check(
        &self,
        package: &Package,
        ours: &BTreeSet<&str>,
        rules: &CrateRules,
        out: &mut Vec<Violation>,
    ) {
        let asked = |is_ours: bool, is_dev: bool| -> BTreeSet<&str> {
            package
                .dependencies
                .iter()
                .filter(|d| ours.contains(d.name.as_str()) == is_ours)
                .filter(|d| (d.kind == Some(DependencyKind::Dev)) == is_dev)
                .map(|d| d.name.as_str())
                .collect()
        };
        self.compare("arrow", "sees", &asked(true, false), &rules.sees, out);
        self.compare(
            "arrow",
            "sees_in_tests",
            &asked(true, true),
            &rules.sees_in_tests,
            out,
        );
        self.compare("dependency", "deps", &asked(false, false), &rules.deps, out);
        self.compare("dependency", "dev", &asked(false, true), &rules.dev, out);
    }

    fn compare(
        &self,
        rule: &'static str,
        key: &str,
        asked: &BTreeSet<&str>,
        listed: &[Spanned<String>],
        out: &mut Vec<Violation>,
    ) {
        let name = self.name;
        let listed_names: BTreeSet<&str> = listed.iter().map(|l| l.get_ref().as_str()).collect();
        let asked_names: BTreeSet<&str> = asked.iter().map(|package| short(package)).collect();
        for package in asked.iter().filter(|p| !listed_names.contains(short(p))) {
            let all: Vec<String> = listed_names
                .union(&BTreeSet::from([short(package)]))
                .map(|one| format!("\"{one}\""))
                .collect();
            let text = format!(
                "{name} may not see {package}; if it should, write in {PATH} under \
                 [crate.{name}]: {key} = [{}]",
                all.join(", ")
            );
            out.push(Violation::new(
                self.manifest,
                self.line(package),
                rule,
                text,
            ));
        }
        for entry in listed
            .iter()
            .filter(|l| !asked_names.contains(l.get_ref().as_str()))
        {
            let why = format!("{name} does not have {} among its {key}", entry.get_ref());
            let line = self.allowed.line(entry.span());
            out.push(self.allowed.unused(line, &why));
        }
    }

    /// The manifest's line that asks for `package`.
    fn line(&self, package: &str) -> usize {
        self.tree.line_of_key(self.manifest, package)
    }
}

/// Rules that are lints reach a crate only when it inherits them.
fn inherits_lints(tree: &Tree, manifest: &str, out: &mut Vec<Violation>) {
    let table = manifest_table(tree, manifest);
    let inherits = table.get("lints").and_then(|lints| lints.get("workspace"));
    if inherits.and_then(toml::Value::as_bool) != Some(true) {
        let text = "does not inherit the lints; write: [lints] workspace = true";
        out.push(Violation::new(manifest, 1, "lints", text));
    }
}

/// That every public item is documented is left to rustc, so rustc must be told.
fn denies_missing_docs(tree: &Tree, out: &mut Vec<Violation>) {
    let table = manifest_table(tree, "Cargo.toml");
    let level = ["workspace", "lints", "rust", "missing_docs"]
        .iter()
        .try_fold(&toml::Value::Table(table), |value, key| value.get(key))
        .and_then(toml::Value::as_str)
        .map(str::to_owned);
    if !matches!(level.as_deref(), Some("deny" | "forbid")) {
        let text = "does not deny missing_docs; write under [workspace.lints.rust]: \
                    missing_docs = \"deny\"";
        out.push(Violation::new("Cargo.toml", 1, "lints", text));
    }
}

/// A manifest; empty when it is not there. Cargo has read it already, so it parses.
fn manifest_table(tree: &Tree, path: &str) -> toml::Table {
    let text = tree.text(path).unwrap_or_default();
    toml::from_str(text).unwrap_or_default()
}
