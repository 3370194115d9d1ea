//! Bans: products that must not be shown.

mod rules;
mod text;

pub use rules::{BanRules, TextRules};
pub use text::{Pattern, Texts, fold};

use crate::id::{ProductId, Sku};
use crate::product::Product;
use crate::stored::Stored;
use crate::time::{EventTime, IngestTime};
use serde::{Deserialize, Serialize};

/// What is banned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BanTarget {
    /// One product.
    Product(ProductId),
    /// Every product with this SKU.
    Sku(Sku),
    /// Every product of this brand, whatever the case; 1 to [`BAN_TEXT_BYTES_MAX`] bytes.
    Brand(Box<str>),
    /// Every product whose title, brand or description holds this text, whatever the case; 1 to
    /// [`BAN_TEXT_BYTES_MAX`] bytes. A `*` stands for any text within one field: see
    /// [`Pattern`].
    Pattern(Box<str>),
}

/// Longest brand or pattern of a ban, in bytes.
pub const BAN_TEXT_BYTES_MAX: usize = 128;

/// Bans on brands and patterns that may be in force together: each is held against every product
/// that changes. Who takes bans in refuses more.
pub const TEXT_BANS_MAX: usize = 1_000;

impl BanTarget {
    /// The ban's id: `product:<id>`, `sku:<sku>`, `brand:<brand>` or `pattern:<pattern>`.
    pub fn id(&self) -> String {
        match self {
            Self::Product(id) => format!("product:{id}"),
            Self::Sku(sku) => format!("sku:{sku}"),
            Self::Brand(brand) => format!("brand:{brand}"),
            Self::Pattern(pattern) => format!("pattern:{pattern}"),
        }
    }

    /// The target with this ban id.
    pub fn from_id(id: &str) -> Option<Self> {
        if let Some(product) = id.strip_prefix("product:") {
            return ProductId::new(product).ok().map(Self::Product);
        }
        if let Some(sku) = id.strip_prefix("sku:") {
            return Sku::new(sku).ok().map(Self::Sku);
        }
        if let Some(brand) = id.strip_prefix("brand:") {
            return is_text(brand).then(|| Self::Brand(brand.into()));
        }
        let pattern = id.strip_prefix("pattern:")?;
        is_text(pattern).then(|| Self::Pattern(pattern.into()))
    }

    /// Whether it is a brand or a pattern, of which at most [`TEXT_BANS_MAX`] may be in force.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Brand(_) | Self::Pattern(_))
    }

    /// Whether it holds this product back. Reads all texts of the product: many bans or many
    /// products are for [`BanRules`].
    pub fn holds(&self, product: &Product) -> bool {
        match self {
            Self::Product(id) => product.product_id == *id,
            Self::Sku(sku) => product.sku.as_ref() == Some(sku),
            Self::Brand(brand) => {
                let theirs = product.brand.as_deref();
                theirs.is_some_and(|theirs| fold(theirs) == fold(brand))
            }
            Self::Pattern(pattern) => Pattern::new(pattern).is_in(&Texts::of(product)),
        }
    }
}

/// Whether a text can be banned: it says something, is short enough and has no control
/// characters.
fn is_text(text: &str) -> bool {
    let says = text.chars().any(|c| c != '*' && !c.is_whitespace());
    says && text.len() <= BAN_TEXT_BYTES_MAX && !text.chars().any(char::is_control)
}

/// A ban, with who set it and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ban {
    /// What.
    pub target: BanTarget,
    /// Why.
    pub reason: Box<str>,
    /// Who.
    pub author: Box<str>,
    /// Since when.
    pub created_at: EventTime,
}

impl Stored for Ban {
    const NAME: &'static str = "ban";
    const VERSION: u8 = 1;
}

/// A product that a ban holds back: a record of `filtered-events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filtered {
    /// When the product was taken in.
    pub ingest_time: IngestTime,
    /// Id of the ban; of several, the one that sorts first.
    pub ban: Box<str>,
    /// The product as the shop sent it.
    pub product: Box<Product>,
}

impl Stored for Filtered {
    const NAME: &'static str = "filtered product";
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let long = "x".repeat(BAN_TEXT_BYTES_MAX + 1);
        #[rustfmt::skip]
        let cases: &[(&str, &str, bool)] = &[
            ("product",             "product:p:1",                true),
            ("sku",                 "sku:SM-A205",                true),
            ("brand",               "brand:Рога и копыта",        true),
            ("pattern",             "pattern:часы*реплика",       true),
            ("at the limit",        &format!("brand:{}", &long[1..]), true),
            ("too long",            &format!("brand:{long}"),     false),
            ("nothing",             "pattern:",                   false),
            ("any product",         "pattern:***",                false),
            ("blanks",              "pattern: * ",                false),
            ("a line break",        "pattern:a\nb",               false),
            ("no kind",             "1004856",                    false),
            ("a kind unknown here", "shop:7",                     false),
        ];
        for (name, id, is_ban) in cases {
            let target = BanTarget::from_id(id);
            let want = is_ban.then(|| (*id).to_owned());
            assert_eq!(target.map(|target| target.id()), want, "{name}");
        }
    }
}
