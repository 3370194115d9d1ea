//! Licences: everything that is built can be shipped under ours.

use super::Violation;
use super::tree::Tree;
use crate::cargo::Metadata;

/// What may be linked into a binary under MIT OR Apache-2.0 without further duties than notice.
/// MPL-2.0 binds its own files only.
const ALLOWED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(tree: &Tree, metadata: &Metadata, out: &mut Vec<Violation>) {
    for package in &metadata.packages {
        let licence = package.license.as_deref().unwrap_or_default();
        if !is_allowed(licence) {
            let line = tree.line_starting("Cargo.lock", &format!("name = \"{}\"", package.name));
            let text = format!(
                "{} is under \"{licence}\", which the list in xtask/src/tidy/licences.rs does not allow",
                package.name
            );
            out.push(Violation::new("Cargo.lock", line, "licence", text));
        }
    }
}

/// Whether an SPDX expression can be met by allowed licences alone. One that does not parse
/// cannot.
fn is_allowed(expression: &str) -> bool {
    // Before SPDX expressions, manifests wrote a slash for OR.
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any_of(&mut rest) == Some(true) && rest.is_empty()
}

/// `all_of (OR all_of)*`; `None` when the words are no expression.
fn any_of(rest: &mut &[&str]) -> Option<bool> {
    let mut met = all_of(rest)?;
    while take(rest, "OR") {
        // Not `||`: the right side must be read in any case.
        met |= all_of(rest)?;
    }
    Some(met)
}

/// `one (AND one)*`
fn all_of(rest: &mut &[&str]) -> Option<bool> {
    let mut met = one(rest)?;
    while take(rest, "AND") {
        met &= one(rest)?;
    }
    Some(met)
}

/// `( any_of )`, `licence` or `licence WITH exception`
fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let met = any_of(rest)?;
        return take(rest, ")").then_some(met);
    }
    let (&licence, after) = rest.split_first()?;
    *rest = after;
    if !take(rest, "WITH") {
        return Some(ALLOWED.contains(&licence));
    }
    let (&exception, after) = rest.split_first()?;
    *rest = after;
    let whole = format!("{licence} WITH {exception}");
    Some(ALLOWED.contains(&whole.as_str()))
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_cases() {
        #[rustfmt::skip]
        let cases = [
            ("alone",                 "MIT",                                       true),
            ("unknown",               "GPL-3.0-only",                              false),
            ("none",                  "",                                          false),
            ("a choice",              "GPL-2.0-only OR Apache-2.0",                true),
            ("no choice",             "MIT AND GPL-2.0-only",                      false),
            ("an old choice",         "Apache-2.0 / MIT",                          true),
            ("an old choice, tight",  "GPL-3.0/LGPL-3.0",                          false),
            ("AND binds tighter",     "MIT OR GPL-2.0-only AND GPL-3.0-only",      true),
            ("parentheses",           "(MIT OR GPL-2.0-only) AND Unicode-3.0",     true),
            ("parentheses, refused",  "(MIT OR Zlib) AND GPL-2.0-only",            false),
            ("an exception",          "Apache-2.0 WITH LLVM-exception",            true),
            ("an unknown exception",  "GPL-2.0 WITH Classpath-exception-2.0",      false),
            ("unbalanced",            "(MIT",                                      false),
            ("no operator",           "MIT MIT",                                   false),
            ("half an expression",    "MIT OR",                                    false),
        ];
        for (name, expression, want) in cases {
            assert_eq!(is_allowed(expression), want, "{name}");
        }
    }
}
