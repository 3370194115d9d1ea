//! An event as the shop wrote it, before it is one; and why it may never become one.

use super::{Consent, Line};
use crate::id::{IdError, ProductId};
use crate::limits::{ORDER_LINES_MAX, QUANTITY_MAX};
use crate::money::{Amount, Currency};
use crate::time::EventTime;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Why an input was refused: a stable code, the field at fault, and a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Rejection {
    /// Stable, `snake_case`.
    pub code: Cow<'static, str>,
    /// The field, empty when the input as a whole is at fault.
    pub field: Cow<'static, str>,
    /// What is wrong and what is expected.
    pub detail: String,
}

impl Rejection {
    /// A refusal.
    pub fn new(code: &'static str, field: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            field: field.into(),
            detail: detail.into(),
        }
    }

    /// A field that must be there is not.
    pub fn missing(field: &'static str, detail: impl Into<String>) -> Self {
        Self::new("missing_field", field, detail)
    }

    /// An id that is none.
    pub fn id(field: &'static str, error: IdError) -> Self {
        Self::new("invalid_id", field, error.to_string())
    }
}

/// Largest whole number that JSON readers agree about, 2^53.
pub(super) const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads a whole number, also one written as `3.0`: to JSON they are the same.
fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else {
        return Ok(None);
    };
    if number < 0.0 || number.fract() != 0.0 || number > WHOLE_MAX {
        return Err(serde::de::Error::custom("not a whole number of at least 0"));
    }
    Ok(Some(number as u64))
}

/// One line of a draft's order.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LineDraft {
    /// The product.
    pub product_id: Option<String>,
    /// Pieces, 1 when absent.
    #[serde(default, deserialize_with = "whole")]
    pub quantity: Option<u64>,
    /// Price of one piece.
    pub price: Option<Amount>,
}

/// Circumstances as sent.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ContextDraft {
    /// Network address; only its keyed hash goes further.
    pub ip: Option<String>,
    /// User agent.
    pub user_agent: Option<String>,
    /// Kind of device.
    pub device: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Locale.
    pub locale: Option<String>,
    /// Referring page.
    pub referrer: Option<String>,
}

/// An event as sent: the fields of `POST /v1/events`, none of them checked. Unknown fields are
/// ignored, so that a shop may send more than we read.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct EventDraft {
    /// See the API.
    pub event_id: Option<String>,
    /// See the API.
    pub event_type: Option<String>,
    /// See the API.
    pub user_id: Option<String>,
    /// See the API.
    pub anonymous_id: Option<String>,
    /// See the API.
    pub session_id: Option<String>,
    /// See the API.
    pub product_id: Option<String>,
    /// See the API.
    pub items: Option<Vec<LineDraft>>,
    /// See the API.
    pub event_time: Option<EventTime>,
    /// See the API.
    #[serde(default, deserialize_with = "whole")]
    pub quantity: Option<u64>,
    /// See the API.
    pub price: Option<Amount>,
    /// See the API.
    pub currency: Option<String>,
    /// See the API.
    pub rating: Option<f64>,
    /// See the API.
    pub query: Option<String>,
    /// See the API.
    pub slate_id: Option<String>,
    /// See the API.
    pub position: Option<u32>,
    /// See the API.
    pub placement: Option<String>,
    /// See the API.
    pub context: Option<Box<ContextDraft>>,
    /// See the API.
    pub consent: Option<Consent>,
}

impl EventDraft {
    /// The one product the event is about.
    ///
    /// # Errors
    /// A [`Rejection`] naming `product_id`, `quantity` or `price`.
    pub fn line(&mut self) -> Result<Line, Rejection> {
        line(self.product_id.take(), self.quantity, self.price)
    }

    /// The lines of the order: `items`, else the one product.
    ///
    /// # Errors
    /// A [`Rejection`] naming the field at fault.
    pub fn order_lines(&mut self) -> Result<Vec<Line>, Rejection> {
        let Some(items) = self.items.take() else {
            return Ok(vec![self.line()?]);
        };
        if items.is_empty() || items.len() > ORDER_LINES_MAX {
            return Err(Rejection::new(
                "out_of_range",
                "items",
                format!("an order has 1 to {ORDER_LINES_MAX} lines"),
            ));
        }
        let lines = items.into_iter().map(|item| {
            line(item.product_id, item.quantity, item.price).map_err(|inner| Rejection {
                field: format!("items.{}", inner.field).into(),
                ..inner
            })
        });
        lines.collect()
    }

    /// The currency, checked.
    ///
    /// # Errors
    /// A [`Rejection`] when it is no currency code.
    pub fn checked_currency(&self) -> Result<Option<Currency>, Rejection> {
        let code = self.currency.as_deref();
        code.map(Currency::new)
            .transpose()
            .map_err(|e| Rejection::new("invalid_currency", "currency", e.to_string()))
    }
}

fn line(
    product_id: Option<String>,
    quantity: Option<u64>,
    price: Option<Amount>,
) -> Result<Line, Rejection> {
    let product = product_id
        .ok_or_else(|| Rejection::missing("product_id", "this event type needs a product_id"))?;
    let product = ProductId::new(&product).map_err(|e| Rejection::id("product_id", e))?;
    let quantity = quantity.unwrap_or(1);
    if !(1..=u64::from(QUANTITY_MAX)).contains(&quantity) {
        return Err(Rejection::new(
            "out_of_range",
            "quantity",
            format!("a quantity lies between 1 and {QUANTITY_MAX}"),
        ));
    }
    if price.is_some_and(|price| price < Amount::ZERO) {
        return Err(Rejection::new(
            "out_of_range",
            "price",
            "a price is not negative",
        ));
    }
    Ok(Line {
        product,
        quantity: quantity as u32,
        price,
    })
}
