//! Rules over the syntax tree: length of functions, calls that may panic, words for names.

use super::Violation;
use super::source::{Source, is_test_only};
use super::tokens::{self, Found};
use proc_macro2::Ident;
use syn::visit::{self, Visit};

/// Lines of one function, from its signature to its last brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Methods that turn a missing value into a panic.
const PANICKING: [&str; 2] = ["unwrap", "expect"];

/// Macros that only unfinished code has.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Words that say nothing, wherever in a name they stand.
const EMPTY_WORDS: [&str; 10] = [
    "manager", "managers", "helper", "helpers", "util", "utils", "handler", "handlers", "info",
    "common",
];

/// Words that say something only beside another one.
const EMPTY_ALONE: [&str; 2] = ["data", "processor"];

pub(super) fn check(sources: &[Source], out: &mut Vec<Violation>) {
    for source in sources {
        let mut visitor = Visitor {
            source,
            in_tests: source.is_test,
            out,
        };
        visitor.visit_file(&source.syntax);
        visitor.file_name();
    }
}

struct Visitor<'a> {
    source: &'a Source,
    in_tests: bool,
    out: &'a mut Vec<Violation>,
}

impl Visitor<'_> {
    fn report(&mut self, line: usize, rule: &'static str, text: String) {
        self.out
            .push(Violation::new(&self.source.path, line, rule, text));
    }

    /// Runs `visit`, knowing whether what it visits is test code.
    fn below(&mut self, attributes: &[syn::Attribute], visit: impl FnOnce(&mut Self)) {
        let outside = self.in_tests;
        self.in_tests |= is_test_only(attributes);
        visit(self);
        self.in_tests = outside;
    }

    fn function(&mut self, name: &Ident, first: usize, last: usize) {
        let lines = last + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let text =
                format!("{name} has {lines} lines, more than {FUNCTION_LINES_MAX}; split it");
            self.report(first, "fn-length", text);
        }
    }

    fn signature(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.function(&signature.ident, first, last);
    }

    fn call(&mut self, name: &Ident) {
        if !self.in_tests && PANICKING.iter().any(|method| name == method) {
            let text =
                format!("{name} outside tests; return an error or show it cannot be missing");
            self.report(name.span().start().line, "panic", text);
        }
    }

    fn bang(&mut self, name: &Ident) {
        if !self.in_tests && UNFINISHED.iter().any(|unfinished| name == unfinished) {
            let text = format!("{name}! outside tests; finish it");
            self.report(name.span().start().line, "unfinished", text);
        }
    }

    fn name(&mut self, name: &str, line: usize) {
        if let Some(word) = empty_word(name) {
            let text = format!("\"{word}\" in the name {name} says nothing; name what it is");
            self.report(line, "name", text);
        }
    }

    /// A file is a module, and its folder may be one too.
    fn file_name(&mut self) {
        let path = self.source.path.clone();
        let stem = path.strip_suffix(".rs").unwrap_or(&path);
        let modules = stem.rsplit_once("/src/").or(stem.rsplit_once("/tests/"));
        for part in modules.map_or("", |(_, below)| below).split('/') {
            self.name(part, 1);
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if let syn::Item::Mod(syn::ItemMod { ident, .. })
        | syn::Item::Struct(syn::ItemStruct { ident, .. })
        | syn::Item::Enum(syn::ItemEnum { ident, .. })
        | syn::Item::Union(syn::ItemUnion { ident, .. })
        | syn::Item::Trait(syn::ItemTrait { ident, .. })
        | syn::Item::Type(syn::ItemType { ident, .. }) = item
        {
            // A module in its own file is named by the file.
            if !matches!(item, syn::Item::Mod(module) if module.content.is_none()) {
                self.name(&ident.to_string(), ident.span().start().line);
            }
        }
        self.below(attributes(item), |this| visit::visit_item(this, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.signature(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.signature(&item.sig, &item.block);
        self.below(&item.attrs, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.signature(&item.sig, body);
        }
        self.below(&item.attrs, |this| visit::visit_trait_item_fn(this, item));
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.call(&call.method);
        visit::visit_expr_method_call(self, call);
    }

    /// `map(Option::unwrap)` is the same call by another way.
    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        if path.path.segments.len() > 1
            && let Some(last) = path.path.segments.last()
        {
            self.call(&last.ident);
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        if let Some(last) = item.path.segments.last() {
            self.bang(&last.ident);
        }
        let mut found = Vec::new();
        tokens::scan(item.tokens.clone(), &mut found);
        for found in found {
            match found {
                Found::Call(name) => self.call(&name),
                Found::Bang(name) => self.bang(&name),
                Found::Function(name, first, last) => self.function(&name, first, last),
            }
        }
    }
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        _ => &[],
    }
}

/// The word of a snake or camel case name that says nothing.
fn empty_word(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    if EMPTY_ALONE.contains(&lower.as_str()) {
        return Some(lower);
    }
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter == '-' || letter.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(letter.to_lowercase().filter(|l| l.is_alphanumeric()));
        }
    }
    words
        .into_iter()
        .find(|word| EMPTY_WORDS.contains(&word.as_str()))
}
