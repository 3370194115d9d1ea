//! Questions that are answered over the topics, and their answers, as they travel.

use super::card::ProductCard;
use super::event::from_json;
use super::fields::Fields;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};
use vitrina_engine::{Card, REQUESTS_PER_CALL_MAX};
use vitrina_types::answer::{Impression, Request};
use vitrina_types::event::Rejection;
use vitrina_types::id::{AnonymousId, PlacementId, ProductId, RequestId, UserId};
use vitrina_types::limits::{ID_BYTES_MAX, QUERY_PRODUCTS_MAX, SLATE_ITEMS_MAX, TEXT_BYTES_MAX};
use vitrina_types::time::IngestTime;

/// A question for recommendations that is answered later.
pub struct RequestInput;

impl PartialSchema for RequestInput {
    fn schema() -> RefOr<Schema> {
        let id = |description: &str| {
            json!({
                "description": description,
                "type": ["string", "null"], "minLength": 1, "maxLength": ID_BYTES_MAX,
                "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
            })
        };
        let product = json!({
            "type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX,
            "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        });
        RefOr::T(from_json(json!({
            "description": "A question for recommendations that is answered later.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "request_id": id("Names the question: the same id again is the same question. \
                    Assigned when absent."),
                "user_id": id("A registered user."),
                "anonymous_id": id("A cookie or device; used when there is no `user_id`."),
                "session": {
                    "description": "Product ids of the visit so far, newest last.",
                    "type": ["array", "null"], "maxItems": QUERY_PRODUCTS_MAX, "items": product,
                },
                "placement": id("Where the slate will be shown; `home` when absent."),
                "product_id": id("The product in view."),
                "category": {
                    "description": "Only products of this category: a dotted path, at any depth.",
                    "type": ["string", "null"], "minLength": 1, "maxLength": TEXT_BYTES_MAX,
                },
                "limit": {
                    "description": "Items wanted; 10 when absent.",
                    "type": ["integer", "null"], "minimum": 1, "maximum": SLATE_ITEMS_MAX,
                },
            },
            "example": {"request_id": "q-1", "user_id": "u1", "limit": 5},
        })))
    }
}

impl ToSchema for RequestInput {}

/// One question, or an array of them.
pub struct RequestsBody;

impl PartialSchema for RequestsBody {
    fn schema() -> RefOr<Schema> {
        let one = json!({"$ref": "#/components/schemas/RequestInput"});
        RefOr::T(from_json(json!({
            "description": "One question, or up to 1,000 of them.",
            "oneOf": [
                one,
                {"type": "array", "minItems": 1, "maxItems": REQUESTS_PER_CALL_MAX, "items": one},
            ],
        })))
    }
}

impl ToSchema for RequestsBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RequestInput::name().into(), RequestInput::schema()));
    }
}

/// Reads a question. `fresh_id` makes an id where it has none.
///
/// # Errors
/// A refusal that names the field at fault.
pub fn read(
    value: Value,
    ingest_time: IngestTime,
    fresh_id: impl Fn() -> String,
) -> Result<Request, Rejection> {
    let mut fields = Fields::of(value)?;
    let request_id = match fields.id("request_id", RequestId::new)? {
        Some(id) => id,
        None => RequestId::new(&fresh_id()).map_err(|e| Rejection::id("request_id", e))?,
    };
    let limit = fields.number("limit", 1..=SLATE_ITEMS_MAX as u64)?;
    let request = Request {
        request_id,
        ingest_time,
        user_id: fields.id("user_id", UserId::new)?,
        anonymous_id: fields.id("anonymous_id", AnonymousId::new)?,
        session: fields.ids("session", QUERY_PRODUCTS_MAX, ProductId::new)?,
        placement: fields.id("placement", PlacementId::new)?,
        product_id: fields.id("product_id", ProductId::new)?,
        category: fields.string("category")?.map(Into::into),
        limit: limit.and_then(|limit| u32::try_from(limit).ok()),
    };
    fields.end()?;
    request.check()?;
    Ok(request)
}

/// Questions are durable in the log, and will be answered.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestReceipt {
    /// Their ids, in the order of the request.
    pub requests: Vec<String>,
}

/// One place of a slate.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnsweredPlace<'a> {
    /// The product.
    #[schema(example = "1004856")]
    pub product_id: &'a str,
    /// Higher is better; comparable inside one slate only.
    #[schema(example = 0.83)]
    pub score: f32,
    /// The candidate source that proposed it.
    #[schema(example = "covisit")]
    pub source: &'a str,
    /// How it is shown now; absent when nothing is known of it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub product: Option<ProductCard<'a>>,
}

/// The answer to a question: what to show, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnsweredBody<'a> {
    /// The question.
    pub request_id: &'a str,
    /// Names this answer: send it with the events it leads to.
    #[schema(example = "01JD8Z7Q2M4T6V8X0A2C4E6G8J")]
    pub slate_id: &'a str,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "u1")]
    pub user_id: Option<&'a str>,
    /// To which visitor without a registered id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub anonymous_id: Option<&'a str>,
    /// Where it is shown.
    #[schema(example = "home")]
    pub placement: &'a str,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// The products.
    #[schema(max_items = 200)]
    pub items: Vec<AnsweredPlace<'a>>,
}

impl<'a> AnsweredBody<'a> {
    /// The answer to the question `request_id`; `cards` are those of its items, in order.
    pub fn new(request_id: &'a str, answer: &'a Impression, cards: &'a [Option<Card>]) -> Self {
        let items = answer.items.iter().zip(cards);
        let items = items.map(|(item, card)| AnsweredPlace {
            product_id: item.product.as_str(),
            score: item.score.get(),
            source: &item.source,
            product: card.as_ref().map(Into::into),
        });
        Self {
            request_id,
            slate_id: answer.slate_id.as_str(),
            user_id: answer.user_id.as_ref().map(UserId::as_str),
            anonymous_id: answer.anonymous_id.as_ref().map(AnonymousId::as_str),
            placement: answer.placement.as_str(),
            generation: answer.generation,
            items: items.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_cases() {
        let products = |count: usize| vec!["p"; count];
        #[rustfmt::skip]
        let cases: Vec<(&str, Value, Option<(&str, &str)>)> = vec![
            ("empty",        json!({}),                                       None),
            ("full",         json!({"request_id": "q", "user_id": "u", "anonymous_id": "a",
                                    "session": ["p"], "placement": "cart", "product_id": "p",
                                    "category": "a.b", "limit": 200}),        None),
            ("id",           json!({"request_id": ""}),                       Some(("invalid_id", "request_id"))),
            ("limit 0",      json!({"limit": 0}),                             Some(("out_of_range", "limit"))),
            ("limit 201",    json!({"limit": 201}),                           Some(("out_of_range", "limit"))),
            ("most session", json!({"session": products(QUERY_PRODUCTS_MAX)}), None),
            ("session",      json!({"session": products(QUERY_PRODUCTS_MAX + 1)}), Some(("too_many_items", "session"))),
            ("category",     json!({"category": ""}),                         Some(("out_of_range", "category"))),
            ("typo",         json!({"users": "u"}),                           Some(("unknown_field", "users"))),
            ("list",         json!([]),                                       Some(("not_an_object", ""))),
        ];
        for (name, value, want) in cases {
            let got = read(value, IngestTime(0), || "fresh".to_owned()).err();
            let got = got.as_ref().map(|r| (&*r.code, &*r.field));
            assert_eq!(got, want, "{name}");
        }
    }
}
