//! Events, as they are described. They are read by `vitrina_types::event`, not here.
//!
//! A field is bounded only where the event type uses it: elsewhere just its type counts, which is
//! how events are read.

use super::fields::TIME_MS_MAX;
use serde_json::{Value, json};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};
use vitrina_types::limits::{
    EVENTS_PER_REQUEST_MAX, ORDER_LINES_MAX, QUANTITY_MAX, QUERY_BYTES_MAX,
};

/// What an id looks like.
const ID_PATTERN: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]+$";

/// A schema written as JSON; any object when it does not read as one, which a test rules out.
pub fn from_json(value: Value) -> Schema {
    serde_json::from_value(value).unwrap_or_else(|_| ObjectBuilder::new().into())
}

/// A time as it may be written.
pub fn time(description: &str) -> Schema {
    from_json(json!({
        "description": description,
        "oneOf": [
            {"type": "string", "format": "date-time",
             "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-", "example": "2026-10-01T12:00:00Z"},
            {"type": "integer", "format": "int64", "minimum": 0, "maximum": TIME_MS_MAX},
            {"type": "null"},
        ],
    }))
}

fn id(description: &str) -> Value {
    json!({
        "type": ["string", "null"], "minLength": 1, "maxLength": 128, "pattern": ID_PATTERN,
        "description": description,
    })
}

fn price() -> Value {
    json!({"type": ["number", "null"], "minimum": -1e11, "maximum": 1e11,
           "description": "Price of one piece; not negative. A number as a string is read too."})
}

fn quantity() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0, "description": "Pieces, 1 when absent."})
}

/// All fields with their types.
fn fields() -> Value {
    let text = json!({"type": ["string", "null"]});
    json!({
        "type": "object",
        "properties": {
            "event_id": id("Idempotency key: the same id within the dedupe horizon counts once; assigned when absent."),
            "event_type": {"type": "string"},
            "user_id": id("A registered user. At least one of user_id and anonymous_id is there."),
            "anonymous_id": id("A cookie or device. Sent with a user_id once, it joins its history to the user."),
            "session_id": id("The shop's own session; else sessions are cut by 30 minutes of inactivity."),
            "product_id": {"type": ["string", "null"], "description": "The product."},
            "items": {"type": ["array", "null"], "items": line(), "description": "The lines of a whole order."},
            "event_time": time("When it happened; absent means now. More than 24 h ahead is refused."),
            "quantity": quantity(),
            "price": price(),
            "currency": {"type": ["string", "null"], "pattern": "^[A-Za-z]{3}$", "description": "ISO 4217."},
            "rating": {"type": ["number", "null"], "description": "0 to 5."},
            "query": {"type": ["string", "null"], "description": "The text searched for."},
            "slate_id": id("The answer it came from."),
            "position": {"type": ["integer", "null"], "minimum": 0, "maximum": u32::MAX, "description": "Place in the slate, from 0."},
            "placement": id("Where the slate was shown."),
            "context": {
                "type": ["object", "null"],
                "description": "Circumstances. Addresses are stored only as keyed hashes.",
                "properties": {
                    "ip": text, "user_agent": text, "device": text,
                    "region": text, "locale": text, "referrer": text,
                },
            },
            "consent": {
                "type": ["object", "null"],
                "description": "Without personalisation the event counts but builds no profile.",
                "properties": {
                    "personalisation": {"type": "boolean"},
                    "analytics": {"type": "boolean"},
                },
            },
        },
        "example": {
            "event_id": "e-1", "event_type": "view", "user_id": "u1", "product_id": "1004856",
            "event_time": "2026-10-01T12:00:00Z", "price": 130.76, "currency": "USD",
        },
    })
}

fn line() -> Value {
    json!({
        "type": "object",
        "properties": {
            "product_id": {"type": ["string", "null"]},
            "quantity": quantity(),
            "price": price(),
        },
    })
}

fn bounded_line() -> Value {
    let mut properties = bounded();
    properties["product_id"] = required_id();
    json!({"type": "object", "required": ["product_id"], "properties": properties})
}

fn bounded() -> Value {
    json!({
        "quantity": {"type": ["integer", "null"], "minimum": 1, "maximum": QUANTITY_MAX},
        "price": {"type": ["number", "null"], "minimum": 0, "maximum": 1e11},
    })
}

fn required_id() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 128, "pattern": ID_PATTERN})
}

/// Events about one product.
const VIEWED: &[&str] = &[
    "view",
    "click",
    "impression",
    "add_to_cart",
    "remove_from_cart",
    "wishlist",
];

/// What each group of event types needs: the types, the required fields, and their bounds.
fn needs() -> [(&'static [&'static str], &'static [&'static str], Value); 5] {
    let product = || {
        let mut properties = bounded();
        properties["product_id"] = required_id();
        properties
    };
    let mut order = product();
    order["items"] = json!({"type": "null"});
    let lines = json!({"items": {
        "type": "array", "minItems": 1, "maxItems": ORDER_LINES_MAX, "items": bounded_line(),
    }});
    let mut rating = product();
    rating["rating"] = json!({"type": "number", "minimum": 0, "maximum": 5});
    let query = json!({"query": {"type": "string", "minLength": 1, "maxLength": QUERY_BYTES_MAX}});
    [
        (VIEWED, &["product_id"], product()),
        (&["purchase", "return"], &["product_id"], order),
        (&["purchase", "return"], &["items"], lines),
        (&["rating"], &["product_id", "rating"], rating),
        (&["search"], &["query"], query),
    ]
}

/// One event. Unknown fields are ignored.
pub struct EventBody;

impl PartialSchema for EventBody {
    fn schema() -> RefOr<Schema> {
        let mut variants = Vec::new();
        for (types, required, properties) in needs() {
            for subject in ["user_id", "anonymous_id"] {
                let mut properties = properties.clone();
                properties["event_type"] = json!({"type": "string", "enum": types});
                properties[subject] = required_id();
                let required: Vec<&str> = ["event_type", subject]
                    .into_iter()
                    .chain(required.iter().copied())
                    .collect();
                variants.push(json!({
                    "type": "object", "required": required, "properties": properties,
                }));
            }
        }
        let whole = json!({
            "description": "One thing a visitor did. Unknown fields are ignored.",
            "allOf": [fields(), {"anyOf": variants}],
        });
        RefOr::T(from_json(whole))
    }
}

impl ToSchema for EventBody {}

/// One event or an array of them.
pub struct EventsBody;

impl PartialSchema for EventsBody {
    fn schema() -> RefOr<Schema> {
        let one = json!({"$ref": "#/components/schemas/EventBody"});
        RefOr::T(from_json(json!({
            "description": "One event, or up to 10,000 of them: good ones are kept when others are bad.",
            "oneOf": [
                one,
                {"type": "array", "minItems": 1, "maxItems": EVENTS_PER_REQUEST_MAX, "items": one},
            ],
        })))
    }
}

impl ToSchema for EventsBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push(("EventBody".to_owned(), EventBody::schema()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_written_as_json_read_as_schemas() {
        let RefOr::T(schema) = EventBody::schema() else {
            panic!("not a reference");
        };
        let shown = serde_json::to_value(&schema).unwrap();
        assert_eq!(shown["allOf"].as_array().map(Vec::len), Some(2), "{shown}");
        let any = shown["allOf"][1]["anyOf"].as_array().unwrap();
        assert_eq!(any.len(), 10);
        let price = &shown["allOf"][0]["properties"]["price"];
        assert_eq!(price["type"], json!(["number", "null"]), "{shown}");
        assert!(shown["allOf"][0]["properties"]["event_time"]["oneOf"].is_array());
    }
}
