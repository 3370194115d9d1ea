//! The Rust files of the workspace, parsed, and which of them are test code.

use super::Violation;
use super::tree::{Text, Tree};
use proc_macro2::TokenStream;
use std::collections::BTreeSet;

/// A Rust file.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) tokens: TokenStream,
    pub(super) syntax: syn::File,
    /// Whether all of it is test code.
    pub(super) is_test: bool,
}

/// Every Rust file that parses; the others break a rule.
pub(super) fn parse(tree: &Tree, out: &mut Vec<Violation>) -> Vec<Source> {
    let mut sources = Vec::new();
    for Text { path, text } in tree.texts.iter().filter(|t| t.path.ends_with(".rs")) {
        match parse_text(text) {
            Ok((tokens, syntax)) => sources.push(Source {
                path: path.clone(),
                tokens,
                syntax,
                is_test: is_test_path(path),
            }),
            Err(error) => {
                let line = error.span().start().line;
                out.push(Violation::new(path, line, "syntax", error.to_string()));
            }
        }
    }
    mark_test_modules(&mut sources);
    sources
}

fn parse_text(text: &str) -> syn::Result<(TokenStream, syn::File)> {
    let tokens: TokenStream = text.parse()?;
    let syntax = syn::parse2(tokens.clone())?;
    Ok((tokens, syntax))
}

/// Cargo's own folders of test code.
fn is_test_path(path: &str) -> bool {
    path.split('/')
        .any(|part| part == "tests" || part == "benches")
}

/// Marks the files of modules that are declared `#[cfg(test)] mod name;`, and those below them.
fn mark_test_modules(sources: &mut [Source]) {
    let mut stems = BTreeSet::new();
    for source in sources.iter() {
        for item in &source.syntax.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && is_test_only(&module.attrs)
            {
                stems.insert(format!("{}/{}", module_folder(&source.path), module.ident));
            }
        }
    }
    for source in sources {
        let below = |stem: &String| {
            source
                .path
                .strip_prefix(stem.as_str())
                .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        };
        source.is_test |= stems.iter().any(below) || is_test_only(&source.syntax.attrs);
    }
}

/// The folder in which the files of a source's child modules lie.
fn module_folder(path: &str) -> &str {
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    match stem.rsplit_once('/') {
        Some((folder, "mod" | "lib" | "main")) => folder,
        _ => stem,
    }
}

/// Whether these attributes keep what they stand on out of every build but the tests'.
pub(super) fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        // `#[test]`, `#[tokio::test]`
        syn::Meta::Path(path) => path.segments.last().is_some_and(|s| s.ident == "test"),
        syn::Meta::List(list) if list.path.is_ident("cfg") => list
            .parse_args()
            .is_ok_and(|condition| needs_test(&condition)),
        syn::Meta::List(list) => list.path.segments.last().is_some_and(|s| s.ident == "test"),
        syn::Meta::NameValue(_) => false,
    })
}

/// Whether a `cfg` condition holds in tests only: `test`, or `all(…)` with it.
fn needs_test(condition: &syn::Meta) -> bool {
    use syn::punctuated::Punctuated;
    match condition {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => list
            .parse_args_with(Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated)
            .is_ok_and(|all| all.iter().any(needs_test)),
        _ => false,
    }
}
