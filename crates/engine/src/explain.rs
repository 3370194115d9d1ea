//! What a slate was and why.

use crate::card::{self, Card};
use crate::error::EngineError;
use crate::shared::Shared;
use crate::traces::Kept;
use vitrina_pipeline::why::Explanation;
use vitrina_ports::PortError;
use vitrina_types::answer::Impression;
use vitrina_types::id::SlateId;
use vitrina_types::stored;
use vitrina_types::time::EventTime;

/// One place of a slate.
#[derive(Debug, Clone)]
pub struct SlatePlace {
    /// The product.
    pub product: Card,
    /// Its final score.
    pub score: f32,
    /// The candidate source that proposed it.
    pub source: String,
}

/// A slate as it was answered, and, while it is remembered in full, why.
#[derive(Debug, Clone)]
pub struct SlateRecord {
    /// The slate.
    pub slate_id: SlateId,
    /// To whom; `None` for a visitor without an id.
    pub user_id: Option<String>,
    /// Where.
    pub placement: String,
    /// When.
    pub at: EventTime,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// What, in order.
    pub items: Vec<SlatePlace>,
    /// Every candidate with its sources, scores and why it was removed. `None` when only the
    /// slate itself is still stored.
    pub explanation: Option<Explanation>,
}

fn record(
    shared: &Shared,
    impression: &Impression,
    explanation: Option<Explanation>,
) -> SlateRecord {
    let table = shared.items.read();
    let items = impression.items.iter().map(|item| SlatePlace {
        product: card::or_bare(&table, &item.product),
        score: item.score.get(),
        source: item.source.to_string(),
    });
    SlateRecord {
        slate_id: impression.slate_id.clone(),
        user_id: impression.user_id.as_ref().map(ToString::to_string),
        placement: impression.placement.to_string(),
        at: impression.at,
        generation: impression.generation,
        items: items.collect(),
        explanation,
    }
}

fn in_full(shared: &Shared, kept: &Kept) -> SlateRecord {
    let why = vitrina_pipeline::why(&kept.slate, &kept.trace, &shared.items.read());
    record(shared, &kept.impression, Some(why))
}

/// The slate with this id, from memory with its reasons, else from the store without.
pub(crate) async fn explain(
    shared: &Shared,
    slate: &SlateId,
) -> Result<Option<SlateRecord>, EngineError> {
    if let Some(kept) = shared.traces.get(slate) {
        return Ok(Some(in_full(shared, &kept)));
    }
    let stored = shared
        .ports
        .slates
        .get(slate.as_str(), shared.now())
        .await?;
    let Some(body) = stored else {
        return Ok(None);
    };
    let impression: Impression = stored::decode(&body).map_err(|error| PortError::Damaged {
        what: format!("slate {slate}: {error}"),
    })?;
    Ok(Some(record(shared, &impression, None)))
}

/// The newest slates in memory, newest first, without their reasons.
pub(crate) fn recent(shared: &Shared, limit: usize) -> Vec<SlateRecord> {
    let newest = shared.traces.newest(limit);
    newest
        .iter()
        .map(|kept| record(shared, &kept.impression, None))
        .collect()
}
