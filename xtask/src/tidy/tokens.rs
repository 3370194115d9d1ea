//! Rules over tokens, which see into macros where the syntax tree ends.

use super::Violation;
use super::allowed::Allowed;
use super::source::Source;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};

/// Something that a macro's tokens say.
pub(super) enum Found {
    /// `.name(…)`
    Call(Ident),
    /// `name!`
    Bang(Ident),
    /// `fn name … {…}`: the name, the first line and the last.
    Function(Ident, usize, usize),
}

/// Lists what these tokens and the groups in them call and define.
pub(super) fn scan(tokens: TokenStream, found: &mut Vec<Found>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, tree) in trees.iter().enumerate() {
        match (tree, trees.get(at + 1), trees.get(at + 2)) {
            (TokenTree::Group(group), _, _) => scan(group.stream(), found),
            (
                TokenTree::Punct(dot),
                Some(TokenTree::Ident(name)),
                Some(TokenTree::Group(group)),
            ) if dot.as_char() == '.' && group.delimiter() == Delimiter::Parenthesis => {
                found.push(Found::Call(name.clone()));
            }
            (TokenTree::Ident(name), Some(TokenTree::Punct(bang)), _) if bang.as_char() == '!' => {
                found.push(Found::Bang(name.clone()));
            }
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)), _) if word == "fn" => {
                if let Some(body) = body_after(&trees[at..]) {
                    let (first, last) = (word.span().start().line, body.span_close().end().line);
                    found.push(Found::Function(name.clone(), first, last));
                }
            }
            _ => {}
        }
    }
}

/// The braces that end a function's signature; `None` when it has no body.
fn body_after(trees: &[TokenTree]) -> Option<&Group> {
    trees
        .iter()
        .take_while(|tree| !matches!(tree, TokenTree::Punct(end) if end.as_char() == ';'))
        .find_map(|tree| match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        })
}

/// Lines on which one of `words` stands as a whole identifier.
pub(super) fn lines_with(tokens: &TokenStream, words: &[&str]) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    for tree in tokens.clone() {
        match tree {
            TokenTree::Group(group) => lines.extend(lines_with(&group.stream(), words)),
            TokenTree::Ident(name) if words.iter().any(|word| name == word) => {
                lines.push((name.span().start().line, name.to_string()));
            }
            _ => {}
        }
    }
    lines
}

/// `unsafe` stands only in the files that `allowed.toml` names, each with reason and safe twin.
pub(super) fn check_unsafe(sources: &[Source], allowed: &Allowed, out: &mut Vec<Violation>) {
    const RULE: &str = "unsafe";
    let modules = &allowed.rules.unsafe_modules;
    for source in sources {
        let is_allowed = modules.iter().any(|m| m.get_ref().file == source.path);
        for (line, _) in lines_with(&source.tokens, &["unsafe"]) {
            if !is_allowed {
                let text = format!(
                    "unsafe code; if there is no other way, write in xtask/allowed.toml: \
                     [[unsafe]] file = \"{}\" reason = \"…\" safe_twin = \"…\"",
                    source.path
                );
                out.push(Violation::new(&source.path, line, RULE, text));
            }
        }
    }
    for module in modules {
        let line = allowed.line(module.span());
        let module = module.get_ref();
        if module.reason.trim().is_empty() || module.safe_twin.trim().is_empty() {
            let text = format!("{} has no reason or no safe twin", module.file);
            out.push(allowed.violation(line, RULE, text));
        }
        let is_used = sources.iter().any(|source| {
            source.path == module.file && !lines_with(&source.tokens, &["unsafe"]).is_empty()
        });
        if !is_used {
            out.push(allowed.unused(line, &format!("{} has no unsafe code", module.file)));
        }
    }
}
