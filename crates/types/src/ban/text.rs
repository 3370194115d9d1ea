//! What brands and patterns are compared as: text without its case.
//!
//! Every character becomes its lowercase by Unicode, whatever stands beside it, and nothing else
//! changes: `Ё` is `ё` and not `е`, `É` is `é` and not `e`, blanks count.

use crate::product::Product;

/// Between the fields of [`Texts`]: no pattern holds it.
const BREAK: char = '\0';

/// The text without its case; a NUL becomes a blank.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

fn fold_into(text: &str, out: &mut String) {
    let lower = text.chars().flat_map(char::to_lowercase);
    out.extend(lower.map(|c| if c == BREAK { ' ' } else { c }));
}

/// Title, brand and description of a product, folded once: what patterns are looked for in.
///
/// Takes about as many bytes as the three together and one allocation; none without texts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(Box<str>);

impl Texts {
    /// Those of a product.
    pub fn of(product: &Product) -> Self {
        let texts = [&product.title, &product.brand, &product.description];
        let bytes: usize = texts.into_iter().flatten().map(|text| text.len()).sum();
        if bytes == 0 {
            return Self::default();
        }
        let mut folded = String::with_capacity(bytes + 2);
        for (place, text) in texts.into_iter().enumerate() {
            if place > 0 {
                folded.push(BREAK);
            }
            fold_into(text.as_deref().unwrap_or_default(), &mut folded);
        }
        Self(folded.into())
    }

    /// The brand, folded; `None` without one.
    pub fn brand(&self) -> Option<&str> {
        let brand = self.0.split(BREAK).nth(1);
        brand.filter(|brand| !brand.is_empty())
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// The text of a pattern ban, folded and split once.
///
/// A field of a product holds the pattern when the pieces between its `*` stand in the field one
/// after the other, with anything or nothing between them, before and after: `phone*case` is in
/// `iPhone 15: a case`. There are no anchors, a `*` at an end says nothing, and a `*` itself
/// cannot be looked for. A pattern without a piece is in nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Not empty, in order.
    pieces: Box<[Box<str>]>,
}

impl Pattern {
    /// Prepares a pattern.
    pub fn new(pattern: &str) -> Self {
        let folded = fold(pattern);
        let pieces = folded.split('*').filter(|piece| !piece.is_empty());
        Self {
            pieces: pieces.map(Into::into).collect(),
        }
    }

    /// Whether one of the texts holds it. O(bytes of the texts).
    pub fn is_in(&self, texts: &Texts) -> bool {
        match &*self.pieces {
            [] => false,
            // No piece reaches over a break, so all fields are searched in one go.
            [piece] => texts.0.contains(&**piece),
            pieces => texts.0.split(BREAK).any(|field| are_in(pieces, field)),
        }
    }
}

/// Whether the pieces stand in `field` one after the other: where they do at all, they do so with
/// each taken at its first place.
fn are_in(pieces: &[Box<str>], field: &str) -> bool {
    let mut rest = field;
    pieces.iter().all(|piece| match rest.find(&**piece) {
        Some(at) => {
            rest = &rest[at + piece.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ban::BanTarget;
    use crate::id::ProductId;
    use crate::time::EventTime;

    fn product(title: &str, brand: &str, description: &str) -> Product {
        let text = |text: &str| (!text.is_empty()).then(|| Box::from(text));
        Product {
            title: text(title),
            brand: text(brand),
            description: text(description),
            ..Product::bare(ProductId::new("p").unwrap(), EventTime(0))
        }
    }

    #[test]
    fn pattern_cases() {
        let phone = product("iPhone 15 Pro: чехол", "Apple", "Ёлочный чехол,\nкрасный");
        let bare = product("", "", "");
        #[rustfmt::skip]
        let cases: &[(&str, &str, &Product, bool)] = &[
            ("in the title",           "iphone",           &phone, true),
            ("in the brand",           "APPLE",            &phone, true),
            ("in the description",     "красный",          &phone, true),
            ("within a word",          "phon",             &phone, true),
            ("cyrillic capitals",      "ЧЕХОЛ",            &phone, true),
            ("ё as a capital",         "ёЛОЧНЫЙ",          &phone, true),
            ("ё is not е",             "елочный",          &phone, false),
            ("over a line break",      "чехол,*красный",   &phone, true),
            ("a blank is a blank",     "чехол, красный",   &phone, false),
            ("any text between",       "iphone*чехол",     &phone, true),
            ("nothing between",        "iph*one",          &phone, true),
            ("in that order",          "чехол*iphone",     &phone, false),
            ("each its own place",     "phone*phone",      &phone, false),
            ("no overlap",             "iphon*phone",      &phone, false),
            ("over two fields",        "pro*apple",        &phone, false),
            ("pieces run out",         "e*p*e",            &phone, false),
            ("three pieces",           "i*15*чехол",       &phone, true),
            ("stars at the ends",      "*apple*",          &phone, true),
            ("a star at the start",    "*iphone",          &phone, true),
            ("no anchor at the end",   "*pro",             &phone, true),
            ("stars in a row",         "iphone***чехол",   &phone, true),
            ("blanks at the ends",     " 15 ",             &phone, true),
            ("blanks not there",       " iphone",          &phone, false),
            ("something else",         "samsung",          &phone, false),
            ("only stars",             "**",               &phone, false),
            ("a product without text", "a",                &bare,  false),
            ("only stars, no text",    "*",                &bare,  false),
        ];
        for (name, pattern, product, want) in cases {
            let got = Pattern::new(pattern).is_in(&Texts::of(product));
            assert_eq!(got, *want, "{name}");
            let target = BanTarget::Pattern((*pattern).into());
            assert_eq!(target.holds(product), *want, "{name}, as a target");
        }
    }

    #[test]
    fn brand_cases() {
        #[rustfmt::skip]
        let cases: &[(&str, &str, &str, bool)] = &[
            ("the same",        "Apple",        "Apple",         true),
            ("other case",      "aPPLE",        "Apple",         true),
            ("cyrillic",        "РОГА И КОПЫТА", "Рога и копыта", true),
            ("ё is not е",      "Елка",         "Ёлка",          false),
            ("part of it",      "App",          "Apple",         false),
            ("more than it",    "Apple Inc",    "Apple",         false),
            ("no pattern",      "App*",         "Apple",         false),
            ("a star is a star", "A*",          "a*",            true),
            ("sigma at the end", "ΟΔΟΣ",        "οδοσ",          true),
            ("none",            "Apple",        "",              false),
        ];
        for (name, banned, brand, want) in cases {
            // The same words elsewhere are no brand.
            let product = product(banned, brand, banned);
            assert_eq!(
                BanTarget::Brand((*banned).into()).holds(&product),
                *want,
                "{name}"
            );
            let texts = Texts::of(&product);
            assert_eq!(
                texts.brand() == Some(&*fold(banned)),
                *want,
                "{name}, folded"
            );
        }
    }

    #[test]
    fn a_nul_in_a_text_makes_no_field() {
        let product = product("a\0b", "brand", "");
        assert_eq!(Texts::of(&product).brand(), Some("brand"));
        assert!(Pattern::new("a*b").is_in(&Texts::of(&product)));
    }
}
