//! Products that shops offer, and what became of them, as they are sent.

use super::product::ProductBody;
use super::receipt::RejectedItem;
use serde::Serialize;
use utoipa::ToSchema;
use vitrina_engine::Kept;
use vitrina_types::ban::Filtered;
use vitrina_types::time::IngestTime;

/// Products are durable in the log; the ones that were refused are not kept.
#[derive(Debug, Serialize, ToSchema)]
pub struct OfferReceipt {
    /// Products accepted.
    #[schema(example = 998)]
    pub accepted: usize,
    /// The others.
    pub rejected: Vec<RejectedItem>,
}

/// An offered product that a ban holds back.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilteredBody {
    /// Its number: what `before` takes.
    pub number: u64,
    /// When the product was taken in.
    #[schema(value_type = String, format = DateTime)]
    pub ingest_time: IngestTime,
    /// The ban that held it then; of several, the one that sorts first.
    #[schema(example = "brand:acme")]
    pub ban_id: String,
    /// The product, as it was offered; its `version` is 0.
    pub product: ProductBody,
}

impl From<(u64, Filtered)> for FilteredBody {
    fn from((number, filtered): (u64, Filtered)) -> Self {
        Self {
            number,
            ingest_time: filtered.ingest_time,
            ban_id: filtered.ban.into(),
            product: ProductBody::from(Kept {
                version: 0,
                value: *filtered.product,
            }),
        }
    }
}

/// A page of offered products that bans hold back.
#[derive(Debug, Serialize, ToSchema)]
pub struct FilteredPage {
    /// Newest first.
    pub filtered_events: Vec<FilteredBody>,
    /// What `before` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_before: Option<u64>,
}
