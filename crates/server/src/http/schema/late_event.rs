//! Late events, as they are sent.

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vitrina_engine::Late;
use vitrina_types::event::KindTag;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::time::{EventTime, IngestTime};

/// Money of one kind of event in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct LateValue {
    /// The event type.
    #[schema(value_type = String, example = "purchase")]
    pub event_type: &'static str,
    /// Price times quantity; negative for returns.
    #[schema(value_type = f64)]
    pub amount: Amount,
    /// ISO 4217.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
}

/// Something that came after its window was closed, and was not counted in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LateEventBody {
    /// Its number: what `before` takes.
    pub number: u64,
    /// The operator that found it late.
    #[schema(example = "product-stage")]
    pub operator: String,
    /// What the row it belongs to is about: `product`, `category`, `brand`, `placement`,
    /// `session`.
    #[schema(value_type = String, example = "product")]
    pub dimension: &'static str,
    /// Which one.
    pub id: String,
    /// First moment of the window.
    #[schema(value_type = String, format = DateTime)]
    pub window_start: EventTime,
    /// First moment after the window.
    #[schema(value_type = String, format = DateTime)]
    pub window_end: EventTime,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub event_time: EventTime,
    /// When it, or its cause, was taken in.
    #[schema(value_type = String, format = DateTime)]
    pub ingest_time: IngestTime,
    /// How long after its window was closed it came, in milliseconds of event time.
    pub late_ms: i64,
    /// What would have been counted: events by type, those that did not happen left out.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    pub events: BTreeMap<&'static str, u64>,
    /// Pieces sold less pieces returned.
    pub pieces: i64,
    /// Money.
    pub values: Vec<LateValue>,
    /// Visitors who took part, estimated.
    pub visitors: u64,
}

impl From<&Late> for LateEventBody {
    fn from(late: &Late) -> Self {
        let event = &late.event;
        let measures = &event.measures;
        let values = measures
            .values
            .iter()
            .map(|&(kind, currency, amount)| LateValue {
                event_type: KindTag::name(kind),
                amount,
                currency,
            });
        Self {
            number: late.number,
            operator: event.operator.to_string(),
            dimension: event.key.dimension.name(),
            id: event.key.id.to_string(),
            window_start: event.window.start,
            window_end: event.window.end,
            event_time: event.at,
            ingest_time: event.ingest_time,
            late_ms: late.late_ms,
            events: measures.events.iter().filter(|kind| kind.1 > 0).collect(),
            pieces: measures.pieces,
            values: values.collect(),
            visitors: measures.visitors.estimate(),
        }
    }
}

/// A page of late events.
#[derive(Debug, Serialize, ToSchema)]
pub struct LateEventPage {
    /// Newest first.
    pub late_events: Vec<LateEventBody>,
    /// What `before` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_before: Option<u64>,
}
