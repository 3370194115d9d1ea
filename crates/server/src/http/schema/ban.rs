//! Bans, as they are sent.

use super::event::from_json;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};
use vitrina_engine::Kept;
use vitrina_types::ban::{BAN_TEXT_BYTES_MAX, Ban, BanTarget};
use vitrina_types::limits::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use vitrina_types::time::EventTime;

/// A ban to set: exactly one of `product_id`, `sku`, `brand` and `pattern`.
pub struct BanInput;

/// What can be banned, by field.
const TARGETS: [&str; 4] = ["product_id", "sku", "brand", "pattern"];

impl PartialSchema for BanInput {
    fn schema() -> RefOr<Schema> {
        let id = json!({
            "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX,
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        });
        let text = json!({
            "type": "string", "minLength": 1, "maxLength": BAN_TEXT_BYTES_MAX,
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*[^*\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
        });
        let of = |field: &&str| {
            let mut properties = json!({
                "reason": {"type": ["string", "null"], "maxLength": TEXT_BYTES_MAX},
                "author": {"type": ["string", "null"], "maxLength": ID_BYTES_MAX},
            });
            for target in TARGETS {
                properties[target] = match target {
                    _ if target != *field => json!({"type": "null"}),
                    "brand" | "pattern" => text.clone(),
                    _ => id.clone(),
                };
            }
            json!({
                "type": "object",
                "required": [field],
                "additionalProperties": false,
                "properties": properties,
            })
        };
        RefOr::T(from_json(json!({
            "description": "A ban to set: of one product, or of every product with a SKU, of a \
                brand, or with a text in its title, brand or description.",
            "oneOf": TARGETS.iter().map(of).collect::<Vec<_>>(),
            "example": {"product_id": "1004856", "reason": "recalled", "author": "anna"},
        })))
    }
}

impl ToSchema for BanInput {}

/// A ban in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanBody {
    /// Its id: `product:<id>`, `sku:<sku>`, `brand:<brand>` or `pattern:<pattern>`.
    #[schema(example = "product:1004856")]
    pub ban_id: String,
    /// The banned product.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product_id: Option<String>,
    /// The banned SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sku: Option<String>,
    /// The banned brand.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub brand: Option<String>,
    /// The banned text; a `*` in it stands for any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pattern: Option<String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub author: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: EventTime,
    /// Of the record.
    pub version: u64,
}

impl From<Kept<Ban>> for BanBody {
    fn from(kept: Kept<Ban>) -> Self {
        let ban = kept.value;
        let ban_id = ban.target.id();
        let mut body = Self {
            ban_id,
            product_id: None,
            sku: None,
            brand: None,
            pattern: None,
            reason: ban.reason.into(),
            author: ban.author.into(),
            created_at: ban.created_at,
            version: kept.version,
        };
        match ban.target {
            BanTarget::Product(id) => body.product_id = Some(id.to_string()),
            BanTarget::Sku(sku) => body.sku = Some(sku.to_string()),
            BanTarget::Brand(brand) => body.brand = Some(brand.into()),
            BanTarget::Pattern(pattern) => body.pattern = Some(pattern.into()),
        }
        body
    }
}

/// A page of bans.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanPage {
    /// In order of their ids.
    pub bans: Vec<BanBody>,
    /// What `cursor` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}
