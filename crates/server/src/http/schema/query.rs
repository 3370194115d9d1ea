//! Questions for a slate: the parameters of `GET`, the object of `POST`.

use super::fields::Fields;
use crate::http::extract::{Params, WHOLE_MAX};
use crate::http::problem::Problem;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use vitrina_engine::{PositionToken, RecommendRequest, Visitor};
use vitrina_pipeline::{Query, QueryFilter};
use vitrina_types::event::Rejection;
use vitrina_types::id::{AnonymousId, IdError, PlacementId, ProductId, UserId};
use vitrina_types::limits::{QUERY_PRODUCTS_MAX, SLATE_ITEMS_MAX, TEXT_BYTES_MAX};
use vitrina_types::time::EventTime;

/// Items of a slate when nothing is said.
pub const LIMIT_DEFAULT: usize = 10;
/// The placement when nothing is said.
const PLACEMENT_DEFAULT: &str = "home";
/// Categories or brands of one filter.
const FILTER_ITEMS_MAX: usize = 50;

/// What all questions by `GET` may say.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters; they are read one by one")]
pub struct SlateParams {
    /// Items wanted.
    #[param(minimum = 1, maximum = 200, default = 10, nullable = false)]
    limit: Option<u32>,
    /// Only these categories: dotted paths, at any depth. May be repeated.
    #[param(schema_with = named, required = false)]
    category: Option<Vec<String>>,
    /// Only these brands. May be repeated.
    #[param(schema_with = named, required = false)]
    brand: Option<Vec<String>>,
    /// Lowest price, inclusive.
    #[param(nullable = false, minimum = 0, maximum = 1e11)]
    min_price: Option<f64>,
    /// Highest price, inclusive.
    #[param(nullable = false, minimum = 0, maximum = 1e11)]
    max_price: Option<f64>,
    /// Only what is in stock.
    #[param(nullable = false)]
    in_stock: Option<bool>,
    /// Product ids not to show, separated by commas or repeated.
    #[param(schema_with = excluded, required = false)]
    exclude: Option<Vec<String>>,
    /// Decides between equals.
    #[param(nullable = false, minimum = 0, maximum = 9007199254740991u64)]
    seed: Option<u64>,
    /// Whether to send every candidate and what became of it.
    #[param(nullable = false)]
    explain: Option<bool>,
}

/// What a question for recommendations may say besides.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "describes parameters; they are read one by one")]
pub struct VisitorParams {
    /// Where the slate will be shown.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        default = "home"
    )]
    placement: Option<String>,
    /// The product in view.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    product_id: Option<String>,
    /// The visitor's cookie or device: used when nothing is known of the user.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    anonymous_id: Option<String>,
    /// Opaque: the `position` of an intake call that the answer must know. It waits up to 50 ms,
    /// else says `"fresh": false`.
    #[param(nullable = false, max_length = 600, example = "AQMH")]
    after: Option<String>,
}

/// A question: who is asking, where, and what may be shown.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "describes a body; its fields are read one by one")]
pub struct QueryInput {
    /// A registered user.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        example = "u1"
    )]
    user_id: Option<String>,
    /// A cookie or device; used when there is no `user_id`.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    anonymous_id: Option<String>,
    /// Product ids of the visit so far, newest last.
    #[schema(schema_with = product_ids)]
    session: Option<Vec<String>>,
    /// Where the slate will be shown; `home` when absent.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$",
        example = "home"
    )]
    placement: Option<String>,
    /// The product in view.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]+$"
    )]
    product_id: Option<String>,
    /// Product ids in the cart.
    #[schema(schema_with = product_ids)]
    cart: Option<Vec<String>>,
    /// Product ids not to show.
    #[schema(schema_with = product_ids)]
    exclude: Option<Vec<String>>,
    /// What may be shown.
    #[schema(inline)]
    filter: Option<FilterInput>,
    /// Items wanted; 10 when absent.
    #[schema(minimum = 1, maximum = 200, format = "int64")]
    limit: Option<u32>,
    /// Decides between equals.
    #[schema(minimum = 0, maximum = 9007199254740991u64, format = "int64")]
    seed: Option<u64>,
    /// Opaque: the `position` of an intake call that the answer must know.
    #[schema(max_length = 600, pattern = "^[A-Za-z0-9_-]+$", example = "AQMH")]
    after: Option<String>,
    /// Whether to send every candidate and what became of it.
    explain: Option<bool>,
}

/// What may be shown.
#[derive(Debug, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "describes a body; its fields are read one by one")]
pub struct FilterInput {
    /// Dotted category paths, at any depth.
    #[schema(schema_with = names)]
    categories: Option<Vec<String>>,
    /// Brands.
    #[schema(schema_with = names)]
    brands: Option<Vec<String>>,
    /// Lowest price, inclusive.
    #[schema(minimum = 0, maximum = 1e11)]
    min_price: Option<f64>,
    /// Highest price, inclusive.
    #[schema(minimum = 0, maximum = 1e11)]
    max_price: Option<f64>,
    /// Only what is in stock.
    in_stock: Option<bool>,
}

fn named() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "type": "array",
        "maxItems": FILTER_ITEMS_MAX,
        "items": {"type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX},
    }))
}

fn excluded() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "type": "array",
        "maxItems": QUERY_PRODUCTS_MAX,
        "items": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^,\\x00-\\x1f\\x7f-\\x9f]+$"},
    }))
}

fn product_ids() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "description": "Product ids.",
        "type": ["array", "null"],
        "maxItems": QUERY_PRODUCTS_MAX,
        "items": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]+$"},
    }))
}

fn names() -> utoipa::openapi::schema::Schema {
    super::event::from_json(serde_json::json!({
        "description": "A product passes when it is of any of them.",
        "type": ["array", "null"],
        "maxItems": FILTER_ITEMS_MAX,
        "items": {"type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX},
    }))
}

/// The placement nobody has to name.
fn home() -> Result<PlacementId, Problem> {
    PlacementId::new(PLACEMENT_DEFAULT).map_err(|error| Problem::internal(&error.to_string()))
}

/// The moment is the engine's to set.
const UNSET: EventTime = EventTime(0);

fn token(text: &str) -> Result<PositionToken, Problem> {
    text.parse()
        .map_err(|error| Problem::bad_field("invalid_position", "after", format!("{error}")))
}

/// A question by `GET`, of somebody.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub query: Query,
    /// Whether the reasons are wanted.
    pub explain: bool,
}

/// Reads what all questions by `GET` may say. `placement` is the one of the route, if it has one.
///
/// # Errors
/// `400` naming the parameter.
pub fn read_slate(params: &mut Params, placement: Option<&str>) -> Result<Asked, Problem> {
    let limit = params.number("limit", 1..=SLATE_ITEMS_MAX)?;
    let placement = match placement {
        Some(name) => PlacementId::new(name).ok(),
        None => params.id("placement", PlacementId::new)?,
    };
    let placement = placement.map_or_else(home, Ok)?;
    let mut query = Query::new(UNSET, placement, limit.unwrap_or(LIMIT_DEFAULT));
    query.filter = QueryFilter {
        categories: params.repeated("category", FILTER_ITEMS_MAX, TEXT_BYTES_MAX)?,
        brands: params.repeated("brand", FILTER_ITEMS_MAX, TEXT_BYTES_MAX)?,
        min_price: params.price("min_price")?,
        max_price: params.price("max_price")?,
        in_stock: params.flag("in_stock")?.unwrap_or(false),
    };
    let exclude = params.list("exclude");
    if exclude.len() > QUERY_PRODUCTS_MAX {
        let detail = format!("exclude names at most {QUERY_PRODUCTS_MAX} products");
        return Err(Problem::bad_field("too_many_items", "exclude", detail));
    }
    let exclude: Result<Vec<_>, IdError> = exclude.iter().map(|id| ProductId::new(id)).collect();
    query.exclude =
        exclude.map_err(|error| Problem::bad_field("invalid_id", "exclude", error.to_string()))?;
    query.seed = params.number("seed", 0..=WHOLE_MAX)?.unwrap_or(0);
    let explain = params.flag("explain")?.unwrap_or(false);
    Ok(Asked { query, explain })
}

/// What a `GET` for recommendations says besides.
#[derive(Debug)]
pub struct AskedFor {
    /// The question.
    pub asked: Asked,
    /// Used when nothing is known of the user.
    pub anonymous: Option<AnonymousId>,
    /// What the answer must know.
    pub after: Option<PositionToken>,
}

/// Reads a `GET` for recommendations.
///
/// # Errors
/// `400` naming the parameter.
pub fn read_get(mut params: Params) -> Result<AskedFor, Problem> {
    let mut asked = read_slate(&mut params, None)?;
    asked.query.product = params.id("product_id", ProductId::new)?;
    let anonymous = params.id("anonymous_id", AnonymousId::new)?;
    let after = params.text("after")?;
    params.end()?;
    Ok(AskedFor {
        asked,
        anonymous,
        after: after.as_deref().map(token).transpose()?,
    })
}

/// Reads a `POST` for recommendations.
///
/// # Errors
/// `400` naming the field.
pub fn read_post(value: Value) -> Result<RecommendRequest, Problem> {
    let mut fields = Fields::of(value)?;
    let user = fields.id("user_id", UserId::new)?.map(Visitor::User);
    let anonymous = fields.id("anonymous_id", AnonymousId::new)?;
    let limit = fields.number("limit", 1..=SLATE_ITEMS_MAX as u64)?;
    let limit = limit.map_or(LIMIT_DEFAULT, |limit| limit as usize);
    let placement = fields.id("placement", PlacementId::new)?;
    let mut query = Query::new(UNSET, placement.map_or_else(home, Ok)?, limit);
    query.seed = fields.number("seed", 0..=WHOLE_MAX)?.unwrap_or(0);
    query.product = fields.id("product_id", ProductId::new)?;
    query.session = fields.ids("session", QUERY_PRODUCTS_MAX, ProductId::new)?;
    query.cart = fields.ids("cart", QUERY_PRODUCTS_MAX, ProductId::new)?;
    query.exclude = fields.ids("exclude", QUERY_PRODUCTS_MAX, ProductId::new)?;
    query.filter = read_filter(fields.object("filter", "filter.")?)?;
    let after = fields.string("after")?;
    let explain = fields.flag("explain")?.unwrap_or(false);
    fields.end()?;
    let anonymous = anonymous.map(Visitor::Anonymous);
    let fallback = if user.is_some() {
        anonymous.clone()
    } else {
        None
    };
    Ok(RecommendRequest {
        fallback,
        after: after.as_deref().map(token).transpose()?,
        explain,
        ..RecommendRequest::new(user.or(anonymous), query)
    })
}

fn read_filter(mut fields: Fields) -> Result<QueryFilter, Rejection> {
    let filter = QueryFilter {
        categories: fields.texts("categories", FILTER_ITEMS_MAX, TEXT_BYTES_MAX)?,
        brands: fields.texts("brands", FILTER_ITEMS_MAX, TEXT_BYTES_MAX)?,
        min_price: fields.price("min_price")?,
        max_price: fields.price("max_price")?,
        in_stock: fields.flag("in_stock")?.unwrap_or(false),
    };
    fields.end()?;
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn post_cases() {
        #[rustfmt::skip]
        let cases: Vec<(&str, Value, Option<(&str, &str)>)> = vec![
            ("empty",        json!({}),                                   None),
            ("full",         json!({"user_id": "u", "session": ["a"], "placement": "cart",
                                    "product_id": "p", "cart": ["c"], "limit": 200, "seed": 1,
                                    "filter": {"brands": ["b"], "max_price": 10}, "explain": true}), None),
            ("limit 0",      json!({"limit": 0}),                         Some(("out_of_range", "limit"))),
            ("limit 201",    json!({"limit": 201}),                       Some(("out_of_range", "limit"))),
            ("filter",       json!({"filter": {"max_price": -1}}),        Some(("out_of_range", "filter.max_price"))),
            ("filter typo",  json!({"filter": {"max_prise": 1}}),         Some(("unknown_field", "filter.max_prise"))),
            ("session",      json!({"session": "a"}),                     Some(("invalid_type", "session"))),
            ("after",        json!({"after": "!"}),                       Some(("invalid_position", "after"))),
            ("list",         json!([]),                                   Some(("not_an_object", ""))),
        ];
        for (name, value, want) in cases {
            let got = read_post(value).err();
            let got = got.map(|p| {
                (
                    p.code.into_owned(),
                    p.field.unwrap_or_default().into_owned(),
                )
            });
            let want = want.map(|(code, field)| (code.to_owned(), field.to_owned()));
            assert_eq!(got, want, "{name}");
        }
    }
}
