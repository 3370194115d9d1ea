//! The console's questions, answered by the engine of this process.

mod products;
mod stream;
mod system;
mod visitor;
mod why;

use super::ring::Reading;
use super::source::{Answered, ConsoleSource, SourceError};
use super::view::{
    Card, FactBlock, Letter, ProductLine, ProductList, Slate, SlateLine, StreamStatus,
    SystemStatus, TopProduct, Visitor, Why,
};
use std::sync::Arc;
use vitrina_engine::{Engine, EngineError, SlateRecord};
use vitrina_types::id::{IdError, ProductId};
use vitrina_types::time::EventTime;

/// Titles shown of a recent slate.
const FIRST_ITEMS: usize = 3;
/// Characters of a dead letter that a page shows.
const LETTER_CHARS_MAX: usize = 4_096;

/// An engine as the console sees it.
pub struct EngineSource {
    engine: Arc<Engine>,
    facts: Vec<FactBlock>,
}

impl EngineSource {
    /// Over `engine`. `facts` are shown on the system page as they are: versions, addresses,
    /// configuration with where each value comes from. No secrets.
    pub fn new(engine: Arc<Engine>, facts: Vec<FactBlock>) -> Self {
        Self { engine, facts }
    }

    /// How a product is shown, known or not.
    fn card(&self, id: &ProductId) -> Card {
        self.engine.card(id).map_or_else(
            || Card {
                product_id: id.to_string(),
                shown_as: id.to_string(),
                ..Card::default()
            },
            card,
        )
    }
}

/// A card of the engine as one of ours.
fn card(card: vitrina_engine::Card) -> Card {
    let currency = card.currency.as_deref().unwrap_or("");
    let price = card.price.map(|units| format!("{units:.2} {currency}"));
    Card {
        product_id: card.product_id.to_string(),
        shown_as: card.title,
        brand: card.brand,
        category: card.category,
        price: price.map(|price| price.trim_end().to_owned()),
    }
}

impl From<EngineError> for SourceError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => Self::BadId(rejection.to_string()),
            EngineError::NotFound { what } => Self::NotFound(format!("this {what}")),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<IdError> for SourceError {
    fn from(error: IdError) -> Self {
        Self::BadId(error.to_string())
    }
}

fn slate_line(slate: SlateRecord) -> SlateLine {
    let titles = slate.items.iter().map(|item| item.product.title.clone());
    SlateLine {
        slate_id: slate.slate_id.to_string(),
        first: titles.take(FIRST_ITEMS).collect(),
        items: slate.items.len(),
        visitor_id: slate.user_id,
        placement: slate.placement,
        at: slate.at,
    }
}

impl ConsoleSource for EngineSource {
    fn now(&self) -> EventTime {
        self.engine.now().as_event_time()
    }

    fn reading(&self) -> Reading {
        let status = self.engine.status();
        Reading {
            at: self.now(),
            events_total: status.accepted,
            answers_total: status.answers,
            freshness_p50_ms: status.freshness.p50_ms,
            freshness_p95_ms: status.freshness.p95_ms,
            freshness_p99_ms: status.freshness.p99_ms,
            answer_p50_ms: status.answer.p50_ms,
            answer_p99_ms: status.answer.p99_ms,
            lag: status.lag.total(),
            stream: stream::point(&status),
            products: status.products,
            dead_letters: status.dead_letters,
        }
    }

    fn top(&self, limit: usize) -> Vec<TopProduct> {
        let ranked = self.engine.popular(None, None, limit).into_iter();
        let top = ranked.map(|ranked| TopProduct {
            card: card(ranked.card),
            interest: ranked.score,
        });
        top.collect()
    }

    fn recent_slates(&self, limit: usize) -> Vec<SlateLine> {
        let slates = self.engine.recent_slates(limit).into_iter();
        slates.map(slate_line).collect()
    }

    fn visitor<'a>(&'a self, id: &'a str) -> Answered<'a, Option<Visitor>> {
        Box::pin(visitor::find(self, id))
    }

    fn recommend<'a>(&'a self, visitor: &'a Visitor, limit: usize) -> Answered<'a, Slate> {
        Box::pin(visitor::recommend(self, visitor, limit))
    }

    fn why<'a>(&'a self, slate_id: &'a str) -> Answered<'a, Option<Why>> {
        Box::pin(why::why(self, slate_id))
    }

    fn products<'a>(
        &'a self,
        find: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Answered<'a, ProductList> {
        Box::pin(products::list(self, find, after, limit))
    }

    fn set_ban<'a>(&'a self, product_id: &'a str, banned: bool) -> Answered<'a, ProductLine> {
        Box::pin(products::set_ban(self, product_id, banned))
    }

    fn dead_letters(&self, before: Option<u64>, limit: usize) -> Answered<'_, Vec<Letter>> {
        Box::pin(async move {
            let letters = self.engine.dead_letters(before, limit).await?.into_iter();
            let shown = letters.map(|(offset, letter)| Letter {
                offset,
                at: letter.ingest_time.as_event_time(),
                source: letter.source.into(),
                code: letter.rejection.code.into_owned(),
                field: letter.rejection.field.into_owned(),
                detail: letter.rejection.detail,
                attempts: letter.attempts,
                text: String::from_utf8_lossy(&letter.bytes)
                    .chars()
                    .take(LETTER_CHARS_MAX)
                    .collect(),
                bytes: letter.bytes.len(),
            });
            Ok(shown.collect())
        })
    }

    fn stream(&self, limit: usize) -> Answered<'_, StreamStatus> {
        Box::pin(stream::status(self, limit))
    }

    fn system(&self) -> Answered<'_, SystemStatus> {
        Box::pin(async move { Ok(system::status(self).await) })
    }
}
