//! One fixture per version of every stored form: what was written once is readable for ever.
//!
//! This rule knows that the fixtures are there. That they decode is a test beside the type.

use super::Violation;
use super::allowed::{Allowed, StoredForm};
use super::source::{Source, is_test_only};
use std::path::Path;
use syn::visit::{self, Visit};

const RULE: &str = "stored-form";

/// An `impl Stored for …`.
struct Implementation {
    name: String,
    file: String,
    line: usize,
    /// `None` when it is not a literal.
    version: Option<u64>,
}

pub(super) fn check(root: &Path, sources: &[Source], allowed: &Allowed, out: &mut Vec<Violation>) {
    let implemented: Vec<Implementation> = sources.iter().flat_map(implementations).collect();
    for form in &implemented {
        listed(form, allowed, out);
    }
    for entry in &allowed.rules.stored_forms {
        let line = allowed.line(entry.span());
        let entry = entry.get_ref();
        let StoredForm { name, fixtures, .. } = entry;
        if !is_used(entry, sources, &implemented) {
            out.push(allowed.unused(line, &format!("nothing has the stored form {name}")));
        }
        if u64::try_from(fixtures.len()) != Ok(entry.versions) {
            let (got, want) = (fixtures.len(), entry.versions);
            let text =
                format!("{name} has {got} fixtures for {want} versions; keep one per version");
            out.push(allowed.violation(line, RULE, text));
        }
        for fixture in fixtures.iter().filter(|f| !root.join(f).is_file()) {
            let text = format!("{name} has no file {fixture}; write it once, never change it");
            out.push(allowed.violation(line, RULE, text));
        }
    }
}

fn listed(form: &Implementation, allowed: &Allowed, out: &mut Vec<Violation>) {
    let Implementation {
        name, file, line, ..
    } = form;
    let mut report = |text| out.push(Violation::new(file, *line, RULE, text));
    let Some(version) = form.version else {
        report(format!(
            "VERSION of {name} is not a literal; write the number"
        ));
        return;
    };
    let forms = &allowed.rules.stored_forms;
    let Some(entry) = forms.iter().find(|entry| entry.get_ref().name == *name) else {
        report(format!(
            "{name} is not listed; write in xtask/allowed.toml: \
             [[stored_form]] name = \"{name}\" versions = {version} fixtures = [\"…\"]"
        ));
        return;
    };
    let versions = entry.get_ref().versions;
    if version != versions {
        report(format!(
            "{name} writes version {version}, xtask/allowed.toml lists {versions}; \
             add the fixture of version {version} there"
        ));
    }
}

fn is_used(entry: &StoredForm, sources: &[Source], implemented: &[Implementation]) -> bool {
    match &entry.file {
        Some(file) => sources.iter().any(|source| source.path == *file),
        None => implemented.iter().any(|form| form.name == entry.name),
    }
}

fn implementations(source: &Source) -> Vec<Implementation> {
    let mut finder = Finder {
        source,
        found: Vec::new(),
    };
    if !source.is_test {
        finder.visit_file(&source.syntax);
    }
    finder.found
}

struct Finder<'a> {
    source: &'a Source,
    found: Vec<Implementation>,
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_only(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let implemented = item
            .trait_
            .as_ref()
            .and_then(|parts| parts.0.segments.last());
        if let Some(of) = implemented
            && of.ident == "Stored"
            && let syn::Type::Path(path) = &*item.self_ty
            && let Some(last) = path.path.segments.last()
        {
            self.found.push(Implementation {
                name: last.ident.to_string(),
                file: self.source.path.clone(),
                line: item.impl_token.span.start().line,
                version: version(item),
            });
        }
    }
}

fn version(item: &syn::ItemImpl) -> Option<u64> {
    item.items.iter().find_map(|part| match part {
        syn::ImplItem::Const(constant) if constant.ident == "VERSION" => match &constant.expr {
            syn::Expr::Lit(syn::ExprLit {
                lit: syn::Lit::Int(number),
                ..
            }) => number.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    })
}
