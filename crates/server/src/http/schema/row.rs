//! Sums of window rows, as they are sent.

use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;
use vitrina_engine::RowSum;
use vitrina_types::money::{Amount, Currency};
use vitrina_types::row::{Measures, TimeWindow};
use vitrina_types::time::EventTime;

/// A stretch of event time: `start <= at < end`.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowBody {
    /// First moment in it.
    #[schema(value_type = String, format = DateTime)]
    pub start: EventTime,
    /// First moment after it.
    #[schema(value_type = String, format = DateTime)]
    pub end: EventTime,
}

impl From<TimeWindow> for WindowBody {
    fn from(window: TimeWindow) -> Self {
        Self {
            start: window.start,
            end: window.end,
        }
    }
}

/// What a row is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowKeyBody<'a> {
    /// `product`, `category`, `brand`, `placement`, `session`.
    #[schema(example = "product")]
    pub dimension: &'static str,
    /// Which one.
    #[schema(example = "1004856")]
    pub id: &'a str,
}

/// Money in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub struct RevenueBody {
    /// ISO 4217.
    #[schema(value_type = String, example = "USD")]
    pub currency: Currency,
    /// Purchases less returns.
    #[schema(value_type = f64)]
    pub amount: Amount,
}

/// What was measured.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuresBody {
    /// Events by type, those that did not happen left out.
    #[schema(value_type = std::collections::HashMap<String, u64>)]
    pub events: BTreeMap<&'static str, u64>,
    /// Pieces sold less pieces returned.
    pub pieces: i64,
    /// Money earned net of returns, by currency.
    pub revenue: Vec<RevenueBody>,
    /// Visitors who took part, estimated: exact up to 160 of one key, then within about 2 %.
    pub visitors: u64,
    /// Purchases per view; absent without a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    pub conversion: Option<f64>,
}

impl From<&Measures> for MeasuresBody {
    fn from(measures: &Measures) -> Self {
        let revenue = measures.revenue().into_iter();
        Self {
            events: measures.events.iter().filter(|kind| kind.1 > 0).collect(),
            pieces: measures.pieces,
            revenue: revenue
                .map(|(currency, amount)| RevenueBody { currency, amount })
                .collect(),
            visitors: measures.visitors.estimate(),
            conversion: measures.conversion(),
        }
    }
}

/// Everything of one key in one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowBody<'a> {
    /// What it is about.
    pub key: RowKeyBody<'a>,
    /// The step.
    pub window: WindowBody,
    /// What was measured.
    #[serde(flatten)]
    pub measures: MeasuresBody,
}

impl<'a> From<&'a RowSum> for RowBody<'a> {
    fn from(sum: &'a RowSum) -> Self {
        Self {
            key: RowKeyBody {
                dimension: sum.key.dimension.name(),
                id: &sum.key.id,
            },
            window: sum.window.into(),
            measures: (&sum.measures).into(),
        }
    }
}

/// A page of rows.
#[derive(Debug, Serialize, ToSchema)]
pub struct RowPage<'a> {
    /// By begin of the step, then by id.
    pub rows: Vec<RowBody<'a>>,
    /// What `cursor` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// Everything of one placement, or of one source in it, in one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacementRow<'a> {
    /// The placement.
    #[schema(example = "home")]
    pub placement: &'a str,
    /// The candidate source; absent for everything shown in the placement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "covisit")]
    pub source: Option<&'a str>,
    /// The step.
    pub window: WindowBody,
    /// What was measured; an impression counts each product shown.
    #[serde(flatten)]
    pub measures: MeasuresBody,
}

impl<'a> From<&'a RowSum> for PlacementRow<'a> {
    fn from(sum: &'a RowSum) -> Self {
        let (placement, source) = match sum.key.id.rsplit_once('/') {
            Some((placement, source)) if is_source(source) => (placement, Some(source)),
            _ => (&*sum.key.id, None),
        };
        Self {
            placement,
            source,
            window: sum.window.into(),
            measures: (&sum.measures).into(),
        }
    }
}

/// Whether a source may be called so: what no source is called is part of a placement with a slash.
fn is_source(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

/// A page of rows of placements.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacementRowPage<'a> {
    /// By begin of the step, then by placement, then by source.
    pub placements: Vec<PlacementRow<'a>>,
    /// What `cursor` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_cursor: Option<String>,
}

/// How many sessions came how far.
#[derive(Debug, Serialize, ToSchema)]
pub struct FunnelBody {
    /// First moment of the period.
    #[schema(value_type = String, format = DateTime)]
    pub from: EventTime,
    /// First moment after it.
    #[schema(value_type = String, format = DateTime)]
    pub to: EventTime,
    /// Sessions in which anything was counted.
    pub sessions: u64,
    /// With a view or a click.
    pub viewed: u64,
    /// With a product put into the cart.
    pub carted: u64,
    /// With a purchase.
    pub purchased: u64,
}
