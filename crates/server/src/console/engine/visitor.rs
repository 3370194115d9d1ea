//! Visitors and what they would be shown.

use super::{EngineSource, card};
use crate::console::source::SourceError;
use crate::console::view::{Meeting, Slate, SlateItem, Visitor};
use crate::console::words;
use vitrina_engine::{AnswerItem, RecommendRequest};
use vitrina_pipeline::Query;
use vitrina_types::id::{AnonymousId, PlacementId, UserId};
use vitrina_types::state::{HistoryEntry, UserState};

/// The placement under which the console asks, so that its answers can be told apart.
const PLACEMENT: &str = "console";
/// A longer silence begins a session. For drawing only: what counts is the stream's own gap.
const SESSION_GAP_MS: i64 = 30 * 60 * 1_000;

pub(super) async fn find(source: &EngineSource, id: &str) -> Result<Option<Visitor>, SourceError> {
    let user = vitrina_engine::Visitor::User(UserId::new(id)?);
    if let Some(state) = source.engine.visitor(&user).await? {
        return Ok(Some(profile(source, id, false, &state)));
    }
    let anonymous = vitrina_engine::Visitor::Anonymous(AnonymousId::new(id)?);
    let state = source.engine.visitor(&anonymous).await?;
    Ok(state.map(|state| profile(source, id, true, &state)))
}

fn profile(source: &EngineSource, id: &str, anonymous: bool, state: &UserState) -> Visitor {
    let linked = || state.linked.iter().map(|id| id.as_str().to_owned());
    let spent = state
        .spent
        .iter()
        .filter(|(_, amount)| amount.ten_thousandths() != 0);
    Visitor {
        id: id.to_owned(),
        anonymous,
        first_seen: state.first_seen,
        last_seen: state.last_seen,
        sessions: state.sessions,
        counters: state
            .counters
            .iter()
            .filter(|(_, count)| *count > 0)
            .collect(),
        spent: spent
            .map(|(currency, amount)| format!("{amount} {}", currency.as_str()))
            .collect(),
        is_linked: anonymous && linked().any(|known| known == id),
        linked: linked().filter(|known| known != id).collect(),
        history: history(source, &state.history),
    }
}

/// Newest first.
fn history(source: &EngineSource, entries: &[HistoryEntry]) -> Vec<Meeting> {
    let older = std::iter::once(None).chain(entries.iter().map(Some));
    let meetings = entries.iter().zip(older).map(|(entry, older)| Meeting {
        card: source.card(&entry.product),
        kind: entry.kind.name(),
        at: entry.at,
        opens_session: older.is_some_and(|older| entry.at.since_ms(older.at) > SESSION_GAP_MS),
    });
    let mut meetings: Vec<_> = meetings.collect();
    meetings.reverse();
    meetings
}

pub(super) async fn recommend(
    source: &EngineSource,
    visitor: &Visitor,
    limit: usize,
) -> Result<Slate, SourceError> {
    let who = if visitor.anonymous {
        vitrina_engine::Visitor::Anonymous(AnonymousId::new(&visitor.id)?)
    } else {
        vitrina_engine::Visitor::User(UserId::new(&visitor.id)?)
    };
    let placement = PlacementId::new(PLACEMENT)?;
    let now = source.engine.now().as_event_time();
    let request = RecommendRequest {
        preview: true,
        ..RecommendRequest::new(Some(who), Query::new(now, placement, limit))
    };
    let answer = source.engine.recommend(request).await?;
    let items = answer
        .items
        .into_iter()
        .map(|item| slate_item(source, item));
    Ok(Slate {
        slate_id: answer.slate_id.to_string(),
        generation: answer.generation,
        items: items.collect(),
    })
}

fn slate_item(source: &EngineSource, item: AnswerItem) -> SlateItem {
    let product = item.reason_product.map(|id| source.card(&id).shown_as);
    SlateItem {
        reason: words::reason(
            item.reason,
            product.as_deref(),
            item.reason_category.as_deref(),
        ),
        card: card(item.product),
        score: f64::from(item.score),
        source: item.source.to_owned(),
    }
}
