//! A product as a shop sends it, and its reading.

use super::fields::Fields;
use super::product::ProductBody;
use crate::http::extract::WHOLE_MAX;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vitrina_engine::Kept;
use vitrina_types::event::Rejection;
use vitrina_types::id::{ProductId, Sku};
use vitrina_types::limits::{
    ATTRIBUTES_MAX, CATEGORY_LEVELS_MAX, DESCRIPTION_BYTES_MAX, EVENTS_PER_REQUEST_MAX,
    ID_BYTES_MAX, TEXT_BYTES_MAX,
};
use vitrina_types::money::Currency;
use vitrina_types::product::Product;
use vitrina_types::time::EventTime;

/// Longest language tag, in bytes (RFC 5646, section 4.4.1).
const LANG_BYTES_MAX: usize = 35;

/// A product to write. Only the id is required; `null` means that nothing is known.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "describes a body; its fields are read one by one")]
pub struct ProductInput {
    /// The shop's id.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        example = "1004856"
    )]
    pub product_id: String,
    /// Stock-keeping unit.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    pub sku: Option<String>,
    /// Seller, on a marketplace.
    #[schema(max_length = 128)]
    pub shop_id: Option<String>,
    /// Title, in the product's language.
    #[schema(max_length = 2048, example = "Умные часы")]
    pub title: Option<String>,
    /// Description.
    #[schema(max_length = 16384)]
    pub description: Option<String>,
    /// Language of title and description (BCP 47).
    #[schema(pattern = "^[A-Za-z0-9-]{0,35}$", example = "ru")]
    pub lang: Option<String>,
    /// From the widest category to the narrowest.
    #[schema(schema_with = category_path)]
    pub category_path: Option<Vec<String>>,
    /// Brand.
    #[schema(max_length = 2048, example = "samsung")]
    pub brand: Option<String>,
    /// Price of one piece.
    #[schema(minimum = 0, maximum = 1e11, example = 130.76)]
    pub price: Option<f64>,
    /// Currency of the price (ISO 4217).
    #[schema(pattern = "^[A-Za-z]{3}$", example = "USD")]
    pub currency: Option<String>,
    /// Pieces in stock; absent when the shop does not say.
    #[schema(minimum = 0, maximum = 4294967295u64, format = "int64")]
    pub stock: Option<u32>,
    /// Whether it may be shown; `true` when absent.
    pub available: Option<bool>,
    /// Not shown from this moment on: RFC 3339 with a zone, or epoch milliseconds.
    #[schema(schema_with = time)]
    pub expires_at: Option<EventTime>,
    /// Picture: an absolute or host-relative URL.
    #[schema(max_length = 2048, pattern = "^(https?://|/|$)")]
    pub image_url: Option<String>,
    /// Page: an absolute or host-relative URL.
    #[schema(max_length = 2048, pattern = "^(https?://|/|$)")]
    pub url: Option<String>,
    /// The product this is a variant of.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    pub variant_of: Option<String>,
    /// Anything else the shop wants kept.
    #[schema(schema_with = attributes)]
    pub attributes: Option<BTreeMap<String, String>>,
    /// When the catalogue first had it; now when absent.
    #[schema(schema_with = time)]
    pub created_at: Option<EventTime>,
    /// Read and left unused, so that what was read can be written back.
    #[schema(schema_with = time)]
    pub updated_at: Option<EventTime>,
    /// Read and left unused, so that what was read can be written back.
    #[schema(minimum = 0, maximum = 9007199254740991u64, format = "int64")]
    pub version: Option<u64>,
}

/// The fields that [`read`] knows.
const NAMES: [&str; 20] = [
    "product_id",
    "sku",
    "shop_id",
    "title",
    "description",
    "lang",
    "category_path",
    "brand",
    "price",
    "currency",
    "stock",
    "available",
    "expires_at",
    "image_url",
    "url",
    "variant_of",
    "attributes",
    "created_at",
    "updated_at",
    "version",
];

/// Products to write, as an array.
pub struct ProductsBody;

impl utoipa::PartialSchema for ProductsBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::RefOr::T(super::event::from_json(serde_json::json!({
            "description": "Up to 10,000 products: good ones are written when others are bad.",
            "type": "array",
            "minItems": 1,
            "maxItems": EVENTS_PER_REQUEST_MAX,
            "items": {"$ref": "#/components/schemas/ProductInput"},
        })))
    }
}

impl ToSchema for ProductsBody {}

/// The same without required fields: for `PUT` and `PATCH`, where the path names the product.
#[derive(Debug)]
pub struct ProductChange;

impl utoipa::PartialSchema for ProductChange {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        let mut schema = <ProductInput as utoipa::PartialSchema>::schema();
        if let utoipa::openapi::RefOr::T(utoipa::openapi::Schema::Object(object)) = &mut schema {
            // The id may be left out; when it is there it must be the one of the path, which a
            // schema cannot say, so it is not offered.
            object.required.clear();
            object.properties.remove("product_id");
            object.description = Some("A product, or what of it is to change".to_owned());
        }
        schema
    }
}

impl ToSchema for ProductChange {}

fn category_path() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "description": "From the widest category to the narrowest.",
        "type": ["array", "null"],
        "maxItems": CATEGORY_LEVELS_MAX,
        "items": {"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX},
        "example": ["electronics", "smartphone"],
    }))
}

fn attributes() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "description": "Anything else the shop wants kept.",
        "type": ["object", "null"],
        "maxProperties": ATTRIBUTES_MAX,
        "propertyNames": {"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX},
        "additionalProperties": {"type": "string", "maxLength": TEXT_BYTES_MAX},
    }))
}

fn time() -> utoipa::openapi::schema::Schema {
    super::event::time("RFC 3339 with a zone, or epoch milliseconds.")
}

/// Reads a product. `id` is the one of the path, if there is one; `created_at` what to put when
/// the input does not say.
///
/// # Errors
/// A refusal that names the field at fault.
pub fn read(
    value: Value,
    id: Option<&ProductId>,
    created_at: Option<EventTime>,
    now: EventTime,
) -> Result<Product, Rejection> {
    let mut fields = Fields::of(value)?;
    let product_id = product_id(&mut fields, id)?;
    let currency = fields.string("currency")?.map(|code| Currency::new(&code));
    let currency = currency.transpose();
    let currency = currency
        .map_err(|error| Rejection::new("invalid_currency", "currency", error.to_string()))?;
    let stock = fields.number("stock", 0..=u64::from(u32::MAX))?;
    let product = Product {
        product_id,
        sku: fields.id("sku", Sku::new)?,
        shop_id: fields.text("shop_id", ID_BYTES_MAX)?,
        title: fields.text("title", TEXT_BYTES_MAX)?,
        description: fields.text("description", DESCRIPTION_BYTES_MAX)?,
        lang: lang(&mut fields)?,
        category_path: fields.texts("category_path", CATEGORY_LEVELS_MAX, ID_BYTES_MAX)?,
        brand: fields.text("brand", TEXT_BYTES_MAX)?,
        price: fields.price("price")?,
        currency,
        stock: stock.and_then(|stock| u32::try_from(stock).ok()),
        available: fields.flag("available")?.unwrap_or(true),
        expires_at: fields.time("expires_at")?,
        image_url: url(&mut fields, "image_url")?,
        url: url(&mut fields, "url")?,
        variant_of: fields.id("variant_of", ProductId::new)?,
        attributes: read_attributes(&mut fields)?,
        created_at: fields.time("created_at")?.or(created_at).unwrap_or(now),
        updated_at: now,
    };
    fields.time("updated_at")?;
    fields.number("version", 0..=WHOLE_MAX)?;
    fields.end()?;
    Ok(product)
}

fn product_id(fields: &mut Fields, of_path: Option<&ProductId>) -> Result<ProductId, Rejection> {
    let given = fields.id("product_id", ProductId::new)?;
    match (given, of_path) {
        (Some(given), Some(of_path)) if given != *of_path => Err(Rejection::new(
            "id_mismatch",
            "product_id",
            "the product_id is not the one of the path",
        )),
        (Some(given), _) => Ok(given),
        (None, Some(of_path)) => Ok(of_path.clone()),
        (None, None) => Err(Rejection::missing(
            "product_id",
            "a product needs its product_id",
        )),
    }
}

fn lang(fields: &mut Fields) -> Result<Option<Box<str>>, Rejection> {
    let lang = fields.text("lang", LANG_BYTES_MAX)?;
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match lang {
        Some(lang) if !lang.bytes().all(sign) => {
            let detail = "lang is a language tag like ru or pt-BR";
            Err(Rejection::new("invalid_language", "lang", detail))
        }
        lang => Ok(lang),
    }
}

/// Only what a page can link to without running it: `javascript:` and the like are refused.
fn url(fields: &mut Fields, field: &'static str) -> Result<Option<Box<str>>, Rejection> {
    let url = fields.text(field, TEXT_BYTES_MAX)?;
    let starts = |url: &str| {
        ["http://", "https://", "/"]
            .iter()
            .any(|s| url.starts_with(s))
    };
    match url {
        Some(url) if !starts(&url) => {
            let detail = format!("{field} begins with https://, http:// or /");
            Err(Rejection::new("invalid_url", field, detail))
        }
        url => Ok(url),
    }
}

fn read_attributes(fields: &mut Fields) -> Result<BTreeMap<String, String>, Rejection> {
    let pairs = fields.pairs("attributes")?;
    let fits = |(key, value): &(String, String)| {
        (1..=ID_BYTES_MAX).contains(&key.len()) && value.len() <= TEXT_BYTES_MAX
    };
    if pairs.len() > ATTRIBUTES_MAX || !pairs.iter().all(fits) {
        let detail = format!(
            "a product has at most {ATTRIBUTES_MAX} attributes, with names of 1 to {ID_BYTES_MAX} \
             and values of at most {TEXT_BYTES_MAX} bytes"
        );
        return Err(Rejection::new("out_of_range", "attributes", detail));
    }
    Ok(pairs.into_iter().collect())
}

/// A product changed by a merge patch (RFC 7396): what is there is replaced, `null` removes.
///
/// # Errors
/// A refusal that names the field at fault.
pub fn patched(before: &Product, patch: Value, now: EventTime) -> Result<Product, Rejection> {
    let Value::Object(patch) = patch else {
        return Err(Rejection::new(
            "not_an_object",
            "",
            "a JSON object is expected",
        ));
    };
    let body = ProductBody::from(Kept {
        version: 0,
        value: before.clone(),
    });
    // A name that nobody reads would be removed unseen when its value is null.
    if let Some(name) = patch.keys().find(|name| !NAMES.contains(&name.as_str())) {
        Fields::of(serde_json::json!({name: null}))?.end()?;
    }
    let mut value = serde_json::to_value(body)
        .map_err(|error| Rejection::new("invalid_json", "", error.to_string()))?;
    merge(&mut value, Value::Object(patch));
    read(
        value,
        Some(&before.product_id),
        Some(before.created_at),
        now,
    )
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    if let Value::Object(fields) = target {
        for (name, value) in patch {
            if value.is_null() {
                fields.remove(&name);
            } else {
                merge(fields.entry(name).or_insert(Value::Null), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: EventTime = EventTime(1_800_000_000_000);

    #[test]
    fn read_cases() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        #[rustfmt::skip]
        let cases: Vec<(&str, Value, Option<(&str, &str)>)> = vec![
            ("bare",           json!({"product_id": "p"}),                               None),
            ("no id",          json!({}),                                                Some(("missing_field", "product_id"))),
            ("numeric id",     json!({"product_id": 7}),                                 Some(("invalid_type", "product_id"))),
            ("long title",     json!({"product_id": "p", "title": long}),                Some(("too_long", "title"))),
            ("currency",       json!({"product_id": "p", "currency": "EURO"}),           Some(("invalid_currency", "currency"))),
            ("stock",          json!({"product_id": "p", "stock": -1}),                  Some(("out_of_range", "stock"))),
            ("script",         json!({"product_id": "p", "url": "javascript:alert(1)"}), Some(("invalid_url", "url"))),
            ("levels",         json!({"product_id": "p", "category_path": vec!["a"; 11]}), Some(("too_many_items", "category_path"))),
            ("attribute",      json!({"product_id": "p", "attributes": {"a": 1}}),       Some(("invalid_type", "attributes"))),
            ("typo",           json!({"product_id": "p", "titel": "x"}),                 Some(("unknown_field", "titel"))),
            ("list",           json!([]),                                                Some(("not_an_object", ""))),
        ];
        for (name, value, want) in cases {
            let got = read(value, None, None, NOW).err();
            let got = got.as_ref().map(|r| (&*r.code, &*r.field));
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn what_is_read_can_be_written_back() {
        let value = json!({
            "product_id": "p", "sku": "s", "title": "Часы", "category_path": ["a", "b"],
            "price": 9.99, "currency": "EUR", "stock": 3, "available": false,
            "expires_at": "2030-01-01T00:00:00Z", "url": "/p", "attributes": {"k": "v"},
        });
        let product = read(value, None, None, NOW).unwrap();
        let sent = ProductBody::from(Kept {
            version: 4,
            value: product.clone(),
        });
        let again = read(serde_json::to_value(sent).unwrap(), None, None, NOW).unwrap();
        assert_eq!(again, product);
    }

    #[test]
    fn a_merge_patch_replaces_and_removes() {
        let before = json!({"product_id": "p", "title": "a", "attributes": {"k": "v", "l": "w"}});
        let before = read(before, None, None, EventTime(5)).unwrap();
        let patch = json!({"title": null, "price": 2, "attributes": {"k": null, "m": "x"}});
        let after = patched(&before, patch, NOW).unwrap();
        assert_eq!(after.title, None);
        assert_eq!(after.price.map(|p| p.units()), Some(2.0));
        let keys: Vec<_> = after.attributes.keys().map(String::as_str).collect();
        assert_eq!(keys, ["l", "m"]);
        assert_eq!((after.created_at, after.updated_at), (EventTime(5), NOW));
        let typo = patched(&before, json!({"titel": null}), NOW).unwrap_err();
        assert_eq!(typo.code, "unknown_field");
        let utoipa::openapi::RefOr::T(utoipa::openapi::Schema::Object(described)) =
            <ProductInput as utoipa::PartialSchema>::schema()
        else {
            panic!("an object");
        };
        let mut described: Vec<_> = described.properties.keys().map(String::as_str).collect();
        let mut known = NAMES.to_vec();
        described.sort_unstable();
        known.sort_unstable();
        assert_eq!(described, known, "what is described is what is read");
        let moved = patched(&before, json!({"product_id": "q"}), NOW).unwrap_err();
        assert_eq!(moved.code, "id_mismatch");
    }
}
