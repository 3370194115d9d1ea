//! One line of a file of events: the few fields that rows are made of.
//!
//! Not the intake: nothing is normalised but what is counted, and fields nobody counts are passed
//! over unread. Names of fields are those of the common dumps.

use super::scan;
use crate::options::{LineOptions, LineValue};
use serde::Deserializer;
use serde::de::{self, Deserialize, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use vitrina_types::event::{KindTag, Rejection};
use vitrina_types::id::ProductId;
use vitrina_types::limits::{ID_BYTES_MAX, QUANTITY_MAX};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::time::EventTime;
use xxhash_rust::xxh3::xxh3_64;

/// What one line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// Somebody did something.
    Event {
        /// When.
        at: EventTime,
        /// The kind of event.
        kind: KindTag,
        /// The product; `None` for an event without one, which is not counted.
        product: Option<ProductId>,
        /// What is summed up, negative for a return; `None` without a price.
        value: Option<(Currency, Amount)>,
        /// Pieces, at least 1.
        pieces: u32,
        /// 64-bit hash of the visitor, as the user stage has it; `None` where the line names none.
        visitor: Option<u64>,
    },
    /// The file has no more lines.
    End,
}

/// Reads a line.
pub(super) fn read(bytes: &[u8], options: &LineOptions) -> Result<Line, Rejection> {
    if bytes.is_empty() {
        return Ok(Line::End);
    }
    // Checked once: the parser would check text by text.
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Rejection::new("invalid_utf8", "", "the event is not UTF-8"))?;
    let draft = match scan::draft(text) {
        Some(draft) => draft,
        None => parse(text)?,
    };
    let missing = |field| Rejection::missing(field, "an event in a file needs it");
    let kind = draft.kind.ok_or_else(|| missing("event_type"))?;
    let at = draft.at.ok_or_else(|| missing("event_time"))?;
    if draft.product.is_none() && kind.name() != "search" {
        return Err(missing("product_id"));
    }
    let pieces = draft.quantity.unwrap_or(1);
    if !(1..=QUANTITY_MAX).contains(&pieces) {
        let detail = format!("pieces are 1 to {QUANTITY_MAX}");
        return Err(Rejection::new("out_of_range", "quantity", detail));
    }
    let amount = draft.price.map(|price| match options.value {
        LineValue::Price => price,
        LineValue::Total => price.times(pieces),
    });
    let is_return = kind.name() == "return";
    let amount = amount.map(|amount| if is_return { amount.negated() } else { amount });
    let currency = draft.currency.unwrap_or(options.currency);
    Ok(Line::Event {
        at,
        kind,
        product: draft.product,
        value: amount.map(|amount| (currency, amount)),
        pieces,
        visitor: draft.visitor,
    })
}

/// Any line, whatever its form.
fn parse(text: &str) -> Result<Draft, Rejection> {
    serde_json::from_str(text)
        .map_err(|error| Rejection::new("invalid_event", "", error.to_string()))
}

/// The fields of a line, as far as they came; of one that came twice, the last.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Draft {
    pub(super) at: Option<EventTime>,
    pub(super) kind: Option<KindTag>,
    pub(super) product: Option<ProductId>,
    pub(super) price: Option<Amount>,
    pub(super) quantity: Option<u32>,
    pub(super) currency: Option<Currency>,
    pub(super) visitor: Option<u64>,
}

/// What a field is.
pub(super) enum Field {
    At,
    Kind,
    Product,
    Price,
    Quantity,
    Currency,
    User,
    Other,
}

impl<'de> Deserialize<'de> for Draft {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DraftVisitor)
    }
}

struct DraftVisitor;

impl<'de> Visitor<'de> for DraftVisitor {
    type Value = Draft;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event: a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft, A::Error> {
        let mut draft = Draft::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::At => draft.at = map.next_value()?,
                Field::Kind => draft.kind = map.next_value::<Option<KindName>>()?.map(|k| k.0),
                Field::Product => {
                    draft.product = map.next_value::<Option<ProductText>>()?.map(|p| p.0);
                }
                Field::Price => draft.price = map.next_value()?,
                Field::Quantity => draft.quantity = map.next_value()?,
                Field::Currency => draft.currency = map.next_value()?,
                Field::User => draft.visitor = map.next_value::<Option<UserHash>>()?.map(|u| u.0),
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(draft)
    }
}

macro_rules! read_as {
    ($Name:ty, $visitor:ident, $call:ident) => {
        impl<'de> Deserialize<'de> for $Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.$call($visitor)
            }
        }
    };
}

struct FieldVisitor;
read_as!(Field, FieldVisitor, deserialize_identifier);

impl Visitor<'_> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Field, E> {
        Ok(field(name.as_bytes()))
    }
}

/// The field with this name.
#[inline]
pub(super) fn field(name: &[u8]) -> Field {
    match name {
        b"ts" | b"event_time" | b"timestamp" => Field::At,
        b"type" | b"event_type" => Field::Kind,
        b"product_id" => Field::Product,
        b"price" => Field::Price,
        b"qty" | b"quantity" => Field::Quantity,
        b"currency" => Field::Currency,
        b"user_id" => Field::User,
        _ => Field::Other,
    }
}

/// The kind of event with this name.
#[inline]
pub(super) fn kind(name: &str) -> Option<KindTag> {
    KindTag::of(if name == "cart" { "add_to_cart" } else { name })
}

struct KindName(KindTag);
struct KindVisitor;
read_as!(KindName, KindVisitor, deserialize_str);

impl Visitor<'_> for KindVisitor {
    type Value = KindName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind of event")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<KindName, E> {
        kind(name)
            .map(KindName)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
    }
}

struct ProductText(ProductId);
struct ProductVisitor;
read_as!(ProductText, ProductVisitor, deserialize_any);

impl Visitor<'_> for ProductVisitor {
    type Value = ProductText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a product id: a string or a whole number")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<ProductText, E> {
        ProductId::new(id).map(ProductText).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<ProductText, E> {
        let mut digits = [0; DIGITS_MAX];
        let text = std::str::from_utf8(decimal(id, &mut digits)).map_err(E::custom)?;
        self.visit_str(text)
    }
}

pub(super) struct UserHash(pub(super) u64);
struct UserVisitor;
read_as!(UserHash, UserVisitor, deserialize_any);

impl Visitor<'_> for UserVisitor {
    type Value = UserHash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user id: a string or a whole number")
    }

    fn visit_str<E: de::Error>(self, id: &str) -> Result<UserHash, E> {
        user_hash(id.as_bytes())
            .ok_or_else(|| E::invalid_length(id.len(), &"1 to 128 bytes of a user id"))
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<UserHash, E> {
        let mut digits = [0; DIGITS_MAX];
        user_hash(decimal(id, &mut digits)).ok_or_else(|| E::custom("a number without digits"))
    }
}

/// The hash of the key of a user's state, as the user stage has it; `None` for what is no id.
pub(super) fn user_hash(id: &[u8]) -> Option<UserHash> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return None;
    }
    let mut key = [0; 2 + ID_BYTES_MAX];
    key[..2].copy_from_slice(b"u/");
    key[2..2 + id.len()].copy_from_slice(id);
    Some(UserHash(xxh3_64(&key[..2 + id.len()])))
}

/// Digits of the largest number.
pub(super) const DIGITS_MAX: usize = 20;

/// The decimal digits of `number`.
fn decimal(mut number: u64, digits: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let mut first = DIGITS_MAX;
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[first..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_607_200_000;

    #[test]
    fn line_cases() {
        let line = |kind: &str, product: &str, units: Option<f64>, pieces, user: Option<&str>| {
            Line::Event {
                at: EventTime(START),
                kind: KindTag::of(kind).unwrap(),
                product: ProductId::new(product).ok(),
                value: units.map(|u| (Currency::USD, Amount::from_units(u).unwrap())),
                pieces,
                visitor: user.map(|user| xxh3_64(format!("u/{user}").as_bytes())),
            }
        };
        #[rustfmt::skip]
        let cases: Vec<(&str, &str, Option<Line>)> = vec![
            ("numbers",      r#"{"ts":1767607200000,"user_id":123,"type":"view","product_id":456,"price":12.34,"qty":1}"#,
                             Some(line("view", "456", Some(12.34), 1, Some("123")))),
            ("strings",      r#"{"event_time":"2026-01-05T10:00:00Z","user_id":"123","event_type":"cart","product_id":"456","price":"0.1","quantity":3}"#,
                             Some(line("add_to_cart", "456", Some(0.3), 3, Some("123")))),
            ("a return",     r#"{"timestamp":1767607200000,"type":"return","product_id":"a\u0062","price":2,"qty":2,"x":{"y":[1]}}"#,
                             Some(line("return", "ab", Some(-4.0), 2, None))),
            ("nulls",        r#"{"ts":1767607200000,"user_id":null,"type":"view","product_id":18446744073709551615,"price":null,"currency":null}"#,
                             Some(line("view", "18446744073709551615", None, 1, None))),
            ("a search",     r#"{"ts":1767607200000,"type":"search"}"#, Some(line("search", "", None, 1, None))),
            ("the end",      "",                                                             Some(Line::End)),
            ("no product",   r#"{"ts":1767607200000,"type":"view"}"#,                        None),
            ("no time",      r#"{"type":"view","product_id":1}"#,                            None),
            ("a bad time",   r#"{"ts":-1,"type":"view","product_id":1}"#,                    None),
            ("no such kind", r#"{"ts":1767607200000,"type":"dance","product_id":1}"#,        None),
            ("no pieces",    r#"{"ts":1767607200000,"type":"view","product_id":1,"qty":0}"#, None),
            ("a long user",  &format!(r#"{{"ts":1767607200000,"type":"view","product_id":1,"user_id":"{}"}}"#, "x".repeat(129)), None),
            ("half a line",  r#"{"ts":1767607200000,"type":"vi"#,                            None),
            ("not an object", "[1]",                                                         None),
            ("two objects",  "{}{}",                                                         None),
        ].into_iter().map(|(name, text, want)| (name, &*Box::leak(text.to_owned().into_boxed_str()), want)).collect();
        for (name, text, want) in cases {
            let got = read(text.as_bytes(), &LineOptions::default());
            assert_eq!(got.as_ref().ok(), want.as_ref(), "{name}: {got:?}");
            agrees(text);
        }
    }

    /// Where the quick look answers, the parser answers the same. Answers whether it did.
    fn agrees(text: &str) -> bool {
        let quick = scan::draft(text);
        if let Some(draft) = &quick {
            assert_eq!(parse(text).as_ref().ok(), Some(draft), "{text}");
        }
        quick.is_some()
    }

    /// Values of every kind, right and wrong, as every field.
    #[test]
    fn the_quick_look_agrees_with_the_parser() {
        #[rustfmt::skip]
        let names = [
            "ts", "event_time", "type", "event_type", "product_id", "price", "qty", "currency",
            "user_id", "x", "",
        ];
        #[rustfmt::skip]
        let values = [
            "0", "00", "01", "-1", "1", "12", "1767607200000", "9223372036854775807",
            "9223372036854775808", "9999999999999999999", "18446744073709551616", "1.5", "1.",
            ".5", "0.0", "0.00001", "12.3456", "12.34567", "123456789.12", "99999999999.9999",
            "1234567890123.4", "1e3", "1.5e3", "-0.5", "NaN", "true", "null", "[1]", "{}", "",
            " 1", "\"\"", "\"view\"", "\"cart\"", "\"dance\"", "\"usd\"", "\"us\"", "\"a b\"",
            "\"товар\"", "\"a\\u0062\"", "\"12.5\"", "\"2026-01-05T10:00:00Z\"", "\"open",
            "\"tab\tbed\"", "\"\u{7f}\"", "\"1234567890123456789012345\"",
        ];
        let mut quick = 0;
        for name in names {
            for value in values {
                for end in [
                    "}",
                    "} ",
                    "}}",
                    ",}",
                    ",\"y\":1}",
                    "",
                    ",\"type\":\"view\"}",
                ] {
                    quick += usize::from(agrees(&format!("{{\"{name}\":{value}{end}")));
                }
            }
        }
        assert!(quick > 200, "{quick}");
    }

    proptest::proptest! {
        /// A line with a byte changed anywhere is read as the parser reads it.
        #[test]
        fn the_quick_look_agrees_on_damaged_lines(place in 0usize..200, byte in 0x20u8..0x7f, cut in 0usize..400) {
            let line = r#"{"event_id":"e0000000007","ts":1767607200000,"user_id":424770,"session_id":"s00d7e8f2","type":"cart","product_id":45544,"category":"electronics.phone","price":371.84,"qty":2,"device":"mobile"}"#;
            proptest::prop_assert!(agrees(line));
            let mut bytes = line.as_bytes().to_vec();
            if let Some(at) = bytes.get_mut(place) {
                *at = byte;
            }
            bytes.truncate(cut.max(1));
            agrees(std::str::from_utf8(&bytes).unwrap());
        }

        /// Prices are read as the parser reads them.
        #[test]
        fn the_quick_look_agrees_on_prices(units in 0u64..100_000_000_000, decimals in "[0-9]{0,5}") {
            let dot = if decimals.is_empty() { "" } else { "." };
            agrees(&format!(r#"{{"price":{units}{dot}{decimals}}}"#));
        }
    }

    /// Sums of prices with two decimals are exact to the cent.
    #[test]
    fn cents_are_exact() {
        for cents in (0..5_000_000i64).step_by(7) {
            let (units, rest) = (cents / 100, cents % 100);
            let text =
                format!(r#"{{"ts":1,"type":"view","product_id":1,"price":{units}.{rest:02}}}"#);
            let line = read(text.as_bytes(), &LineOptions::default()).unwrap();
            let Line::Event { value, .. } = line else {
                unreachable!("it is an event")
            };
            assert_eq!(value.unwrap().1.ten_thousandths(), cents * 100, "{text}");
        }
    }
}
