//! Bans, as they are sent.

use super::event::from_json;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};
use vitrina_engine::Kept;
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::limits::{ID_BYTES_MAX, TEXT_BYTES_MAX};
use vitrina_types::time::EventTime;

/// A ban to set: exactly one of `product_id` and `sku`.
pub struct BanInput;

impl PartialSchema for BanInput {
    fn schema() -> RefOr<Schema> {
        let id = json!({
            "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX,
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        });
        let of = |field: &str, other: &str| {
            json!({
                "type": "object",
                "required": [field],
                "additionalProperties": false,
                "properties": {
                    field: id,
                    other: {"type": "null"},
                    "reason": {"type": ["string", "null"], "maxLength": TEXT_BYTES_MAX},
                    "author": {"type": ["string", "null"], "maxLength": ID_BYTES_MAX},
                },
            })
        };
        RefOr::T(from_json(json!({
            "description": "A ban to set: of one product, or of every product with a SKU.",
            "oneOf": [of("product_id", "sku"), of("sku", "product_id")],
            "example": {"product_id": "1004856", "reason": "recalled", "author": "anna"},
        })))
    }
}

impl ToSchema for BanInput {}

/// A ban in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct BanBody {
    /// Its id: `product:<id>` or `sku:<sku>`.
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
        let (product_id, sku) = match ban.target {
            BanTarget::Product(id) => (Some(id.to_string()), None),
            BanTarget::Sku(sku) => (None, Some(sku.to_string())),
        };
        Self {
            ban_id,
            product_id,
            sku,
            reason: ban.reason.into(),
            author: ban.author.into(),
            created_at: ban.created_at,
            version: kept.version,
        }
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
