//! Answers, as they are sent.

use super::card::ProductCard;
use super::slate::SlateBody;
use serde::Serialize;
use utoipa::ToSchema;
use vitrina_engine::{Answer, AnswerItem, Ranked, ServedFrom, Viewed};
use vitrina_types::time::EventTime;

/// Why a product is shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonBody<'a> {
    /// The kind of reason.
    #[schema(example = "because_viewed")]
    pub kind: &'a str,
    /// The product it goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "1004767")]
    pub product_id: Option<&'a str>,
    /// The category it goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub category: Option<&'a str>,
}

/// One place of a slate.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerPlace<'a> {
    /// The product.
    #[schema(example = "1004856")]
    pub product_id: &'a str,
    /// Higher is better; comparable inside one slate only.
    #[schema(example = 0.83)]
    pub score: f32,
    /// The candidate source that proposed it.
    #[schema(example = "covisit")]
    pub source: &'a str,
    /// Why it is shown.
    pub reason: ReasonBody<'a>,
    /// How it is shown.
    pub product: ProductCard<'a>,
}

impl<'a> From<&'a AnswerItem> for AnswerPlace<'a> {
    fn from(item: &'a AnswerItem) -> Self {
        Self {
            product_id: item.product.product_id.as_str(),
            score: item.score,
            source: item.source,
            reason: ReasonBody {
                kind: item.reason,
                product_id: item.reason_product.as_ref().map(AsRef::as_ref),
                category: item.reason_category.as_deref(),
            },
            product: (&item.product).into(),
        }
    }
}

/// A slate: what to show, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AnswerBody<'a> {
    /// Names this answer: send it with the events it leads to.
    #[schema(example = "01JD8Z7Q2M4T6V8X0A2C4E6G8J")]
    pub slate_id: &'a str,
    /// To whom, as asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "u1")]
    pub user_id: Option<&'a str>,
    /// Where it is shown.
    #[schema(example = "home")]
    pub placement: &'a str,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// The products.
    #[schema(max_items = 200)]
    pub items: Vec<AnswerPlace<'a>>,
    /// Where the answer came from.
    #[schema(value_type = String, example = "live")]
    pub served_from: ServedFrom,
    /// Only when `after` was given: whether the answer knows those events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub fresh: Option<bool>,
    /// Only with `explain=true`: every candidate and what became of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub explanation: Option<SlateBody<'a>>,
}

impl<'a> AnswerBody<'a> {
    /// An answer as it is sent to `user_id`.
    pub fn new(answer: &'a Answer, user_id: Option<&'a str>) -> Self {
        Self {
            slate_id: answer.slate_id.as_str(),
            user_id,
            placement: answer.placement.as_str(),
            generation: answer.generation,
            items: answer.items.iter().map(Into::into).collect(),
            served_from: answer.served_from,
            fresh: answer.fresh,
            explanation: answer.explanation.as_deref().map(Into::into),
        }
    }
}

/// A product somebody met.
#[derive(Debug, Serialize, ToSchema)]
pub struct ViewedBody<'a> {
    /// The product.
    pub product_id: &'a str,
    /// How they met last: an event type.
    #[schema(example = "view")]
    pub event_type: &'a str,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: EventTime,
    /// How it is shown.
    pub product: ProductCard<'a>,
}

impl<'a> From<&'a Viewed> for ViewedBody<'a> {
    fn from(viewed: &'a Viewed) -> Self {
        Self {
            product_id: viewed.product.product_id.as_str(),
            event_type: viewed.kind,
            event_time: viewed.at,
            product: (&viewed.product).into(),
        }
    }
}

/// What a visitor met last.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecentlyViewed<'a> {
    /// The visitor, as asked.
    pub user_id: &'a str,
    /// Newest first, each product once.
    pub items: Vec<ViewedBody<'a>>,
}

/// A product of a ranking.
#[derive(Debug, Serialize, ToSchema)]
pub struct RankedBody<'a> {
    /// The product.
    pub product_id: &'a str,
    /// Interest, unitless: a view counts 1.
    pub score: f64,
    /// How it is shown.
    pub product: ProductCard<'a>,
}

impl<'a> From<&'a Ranked> for RankedBody<'a> {
    fn from(ranked: &'a Ranked) -> Self {
        Self {
            product_id: ranked.card.product_id.as_str(),
            score: ranked.score,
            product: (&ranked.card).into(),
        }
    }
}

/// What is popular.
#[derive(Debug, Serialize, ToSchema)]
pub struct PopularBody<'a> {
    /// The window, as asked; absent when old interest only fades.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "1h")]
    pub window: Option<&'static str>,
    /// Most popular first.
    pub items: Vec<RankedBody<'a>>,
}
