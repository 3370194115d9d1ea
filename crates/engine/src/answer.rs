//! The answer: two waits, and everything between them pure.

use crate::card::{self, Card};
use crate::error::EngineError;
use crate::explain::SlateRecord;
use crate::impressions::Queue;
use crate::position::PositionToken;
use crate::shared::Shared;
use crate::traces::Kept;
use bytes::Bytes;
use serde::Serialize;
use std::cell::RefCell;
use std::time::Instant;
use vitrina_pipeline::{ItemTable, Query, Reason, Scratch};
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::answer::{Impression, ShownItem};
use vitrina_types::event::{KindTag, anonymous_key, user_key};
use vitrina_types::id::{AnonymousId, PlacementId, ProductId, RequestId, SlateId, UserId};
use vitrina_types::partition::Partition;
use vitrina_types::state::{UserState, UserValue};
use vitrina_types::stored;
use vitrina_types::time::EventTime;
use vitrina_types::topic::Topic;

/// Keys read in one step of a count.
const COUNT_PAGE: usize = 5_000;

/// Somebody in the shop.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Visitor {
    /// A registered user.
    User(UserId),
    /// A cookie or device.
    Anonymous(AnonymousId),
}

impl Visitor {
    fn key(&self) -> String {
        match self {
            Self::User(id) => user_key(id),
            Self::Anonymous(id) => anonymous_key(id),
        }
    }

    fn partition(&self) -> Partition {
        match self {
            Self::User(id) => Partition::of(id.as_str()),
            Self::Anonymous(id) => Partition::of(id.as_str()),
        }
    }
}

/// A question for a slate.
#[derive(Debug, Clone)]
pub struct RecommendRequest {
    /// For whom; `None` when nobody is known.
    pub visitor: Option<Visitor>,
    /// Whose history counts while nothing is known of `visitor`: the cookie of a user who has
    /// just registered.
    pub fallback: Option<Visitor>,
    /// What is asked. Its `now` is set by the engine.
    pub query: Query,
    /// What the answer must know, as an intake call said.
    pub after: Option<PositionToken>,
    /// Whether the reasons are wanted with the answer.
    pub explain: bool,
    /// Whether nobody is shown the answer: it is no impression then, and counts nowhere.
    pub preview: bool,
}

impl RecommendRequest {
    /// A question for a slate that somebody will see.
    pub fn new(visitor: Option<Visitor>, query: Query) -> Self {
        Self {
            visitor,
            fallback: None,
            query,
            after: None,
            explain: false,
            preview: false,
        }
    }
}

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ServedFrom {
    /// Made for this question.
    Live,
}

/// One place of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerItem {
    /// How the product is shown.
    pub product: Card,
    /// Higher is better; comparable inside one slate only.
    pub score: f32,
    /// The candidate source that proposed it.
    pub source: &'static str,
    /// Why, in one word.
    pub reason: &'static str,
    /// The product the reason speaks of.
    pub reason_product: Option<ProductId>,
    /// The category the reason speaks of.
    pub reason_category: Option<String>,
}

/// A slate for somebody.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Names this answer in `explain` and in events.
    pub slate_id: SlateId,
    /// Where it is for.
    pub placement: PlacementId,
    /// The model generation that took part; 0 when none did.
    pub generation: u64,
    /// The products, best first.
    pub items: Vec<AnswerItem>,
    /// Where it came from.
    pub served_from: ServedFrom,
    /// Whether it knows the position it was asked after; `None` when it was not asked so.
    pub fresh: Option<bool>,
    /// The reasons, when they were asked for.
    pub explanation: Option<Box<SlateRecord>>,
}

/// A product somebody met.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Viewed {
    /// How the product is shown.
    pub product: Card,
    /// How they met.
    pub kind: &'static str,
    /// When.
    pub at: EventTime,
}

thread_local! {
    /// Buffers of the pipeline, one set a thread: answers allocate nothing that they only use.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What wait one answered.
struct Known {
    state: Option<UserState>,
    fresh: Option<bool>,
}

/// Makes a slate and logs it as shown, unless it is a preview.
pub(crate) async fn recommend(
    shared: &Shared,
    impressions: &Queue,
    request: RecommendRequest,
) -> Result<Answer, EngineError> {
    if !shared.options.roles.answers {
        return Err(EngineError::NoAnswers);
    }
    let preview = request.preview;
    let (answer, impression) = make(shared, request, None).await?;
    if !preview {
        impressions.leave(shared, impression);
    }
    Ok(answer)
}

/// Makes a slate, and its impression for whoever logs it. `request_id` names the question that
/// came over a topic.
pub(crate) async fn make(
    shared: &Shared,
    request: RecommendRequest,
    request_id: Option<RequestId>,
) -> Result<(Answer, Impression), EngineError> {
    let began = Instant::now();
    let RecommendRequest {
        visitor,
        fallback,
        mut query,
        after,
        explain,
        preview,
    } = request;
    let known = know_one_of(
        shared,
        [visitor.as_ref(), fallback.as_ref()],
        after.as_ref(),
    )
    .await?;
    query.now = shared.event_now();
    let id = shared.ids.fresh(shared.now());
    let slate_id = SlateId::new(&id).map_err(|error| EngineError::CannotStart {
        reason: error.to_string(),
    })?;
    let (items, kept, impression) = {
        let table = shared.items.read();
        let (slate, trace) = SCRATCH.with_borrow_mut(|scratch| {
            let config = &shared.options.pipeline;
            vitrina_pipeline::recommend(&query, known.state.as_ref(), &table, config, scratch)
        });
        let items: Vec<AnswerItem> = slate.items.iter().filter_map(|i| item(&table, i)).collect();
        let impression = Impression {
            request_id,
            ..impression(&slate_id, visitor, &query, &items)
        };
        let kept = Kept {
            impression: impression.clone(),
            slate,
            trace,
        };
        (items, kept, impression)
    };
    shared.traces.keep(kept);
    let explanation = if explain {
        crate::explain::explain(shared, &slate_id).await?
    } else {
        None
    };
    if !preview {
        let second = shared.second();
        shared.figures.answers.add(1, second);
        shared.figures.answer.record(began.elapsed(), second);
    }
    if known.fresh == Some(false) {
        shared.figures.stale_answers.add(1);
    }
    let answer = Answer {
        slate_id,
        placement: query.placement,
        generation: 0,
        items,
        served_from: ServedFrom::Live,
        fresh: known.fresh,
        explanation: explanation.map(Box::new),
    };
    Ok((answer, impression))
}

fn item(table: &ItemTable, item: &vitrina_pipeline::SlateItem) -> Option<AnswerItem> {
    let (mut reason_product, mut reason_category) = (None, None);
    match item.reason {
        Reason::BecauseViewed { product } | Reason::BecauseBought { product } => {
            reason_product = table.id(product).cloned();
        }
        Reason::PopularInCategory { category } => {
            reason_category = table.category(category).map(|c| c.path().to_owned());
        }
        Reason::Popular | Reason::New | Reason::ViewedBefore => {}
    }
    Some(AnswerItem {
        product: card::at(table, item.product)?,
        score: item.score.get(),
        source: item.source,
        reason: item.reason.kind(),
        reason_product,
        reason_category,
    })
}

fn impression(
    slate_id: &SlateId,
    visitor: Option<Visitor>,
    query: &Query,
    items: &[AnswerItem],
) -> Impression {
    let shown = items.iter().map(|item| ShownItem {
        product: item.product.product_id.clone(),
        score: vitrina_types::score::Score::saturating(item.score),
        source: item.source.into(),
    });
    let (user_id, anonymous_id) = match visitor {
        Some(Visitor::User(user)) => (Some(user), None),
        Some(Visitor::Anonymous(anonymous)) => (None, Some(anonymous)),
        None => (None, None),
    };
    Impression {
        slate_id: slate_id.clone(),
        user_id,
        placement: query.placement.clone(),
        at: query.now,
        generation: 0,
        items: shown.collect(),
        anonymous_id,
        request_id: None,
    }
}

/// What is known of the first of the visitors of whom anything is known.
async fn know_one_of(
    shared: &Shared,
    visitors: [Option<&Visitor>; 2],
    after: Option<&PositionToken>,
) -> Result<Known, EngineError> {
    let mut known = Known {
        state: None,
        fresh: after.map(|_| true),
    };
    for visitor in visitors.into_iter().flatten() {
        if known.state.is_none() {
            let more = know(shared, visitor, after).await?;
            known.state = more.state;
            known.fresh = known.fresh.zip(more.fresh).map(|(one, other)| one && other);
        }
    }
    Ok(known)
}

/// Wait one: the visitor's state, after the position asked for or after the longest wait.
async fn know(
    shared: &Shared,
    visitor: &Visitor,
    after: Option<&PositionToken>,
) -> Result<Known, EngineError> {
    let wanted = match after {
        Some(token) => Some(wanted_of(shared, token, visitor.partition()).await),
        None => None,
    };
    let (position, state) = read_after(shared, visitor, wanted).await?;
    let mut known = Known {
        fresh: wanted.map(|wanted| position >= wanted),
        state,
    };
    if let Some(user) = known.state.as_ref().and_then(|s| s.linked_to.clone()) {
        // The third wait, named: an anonymous id that turned out to be a user. What the anonymous
        // partition has applied it has forwarded before, so the user's state is as fresh when it
        // has come to where that partition's log ends now.
        let user = Visitor::User(user);
        let log = &shared.ports.log;
        let end = log.bounds(Topic::UserEvents, user.partition()).end;
        let forwarded = wanted.map(|_| end);
        let (position, state) = read_after(shared, &user, forwarded).await?;
        known.fresh = known.fresh.map(|fresh| fresh && position >= end);
        known.state = state;
    }
    Ok(known)
}

/// The position of the visitor's partition that holds what `token` names. Where the token names
/// other partitions, what they sent on to the visitor is in the log once they have come so far.
async fn wanted_of(shared: &Shared, token: &PositionToken, partition: Partition) -> Offset {
    if let Some(wanted) = token.of(partition) {
        return wanted;
    }
    let mut is_sent_on = true;
    for &(partition, wanted) in token.pairs() {
        let at = StatePartition {
            space: Space::Users,
            partition,
        };
        let reached = shared.ports.state.reached(at, wanted);
        let waited = tokio::time::timeout(shared.options.after_wait, reached).await;
        is_sent_on &= waited.is_ok_and(|reached| reached.is_ok());
    }
    if is_sent_on {
        shared.ports.log.bounds(Topic::UserEvents, partition).end
    } else {
        Offset::MAX
    }
}

/// The visitor's state, with its position: at least `wanted`, unless that takes too long.
async fn read_after(
    shared: &Shared,
    visitor: &Visitor,
    wanted: Option<Offset>,
) -> Result<(Offset, Option<UserState>), EngineError> {
    if let Some(wanted) = wanted.filter(|&wanted| wanted > 0) {
        let at = StatePartition {
            space: Space::Users,
            partition: visitor.partition(),
        };
        let reached = shared.ports.state.reached(at, wanted);
        // Too late is not an error: the answer then says that it is not fresh.
        let _ = tokio::time::timeout(shared.options.after_wait, reached).await;
    }
    read(shared, visitor).await
}

/// The visitor's state, with its position.
async fn read(
    shared: &Shared,
    visitor: &Visitor,
) -> Result<(Offset, Option<UserState>), EngineError> {
    let at = StatePartition {
        space: Space::Users,
        partition: visitor.partition(),
    };
    let keys = [visitor.key()];
    let found = shared.ports.state.get_many(at, &keys).await?;
    let bytes: Option<Bytes> = found.values.into_iter().next().flatten();
    let state = bytes.map(|bytes| {
        stored::decode::<UserValue>(&bytes).map_err(|error| PortError::Damaged {
            what: format!("state of {}: {error}", keys[0]),
        })
    });
    let state = match state.transpose()? {
        Some(UserValue::State(state)) => Some(*state),
        Some(UserValue::Expiry(_)) | None => None,
    };
    Ok((found.position, state))
}

/// All state of a visitor; of an anonymous one that turned out to be a user, the user's.
pub(crate) async fn visitor(
    shared: &Shared,
    visitor: &Visitor,
) -> Result<Option<UserState>, EngineError> {
    Ok(know(shared, visitor, None).await?.state)
}

/// What a visitor met last, newest first, each product once.
pub(crate) async fn recently_viewed(
    shared: &Shared,
    who: &Visitor,
    limit: usize,
) -> Result<Vec<Viewed>, EngineError> {
    let Some(state) = visitor(shared, who).await? else {
        return Ok(Vec::new());
    };
    let table = shared.items.read();
    let mut shown: Vec<Viewed> = Vec::new();
    for entry in state.history.iter().rev() {
        if shown.len() == limit {
            break;
        }
        if shown.iter().all(|v| v.product.product_id != entry.product) {
            shown.push(Viewed {
                product: card::or_bare(&table, &entry.product),
                kind: KindTag::name(entry.kind),
                at: entry.at,
            });
        }
    }
    Ok(shown)
}

/// Visitors with state. O(keys).
pub(crate) async fn count_visitors(shared: &Shared) -> Result<u64, EngineError> {
    let mut count = 0;
    for partition in Partition::all() {
        let at = StatePartition {
            space: Space::Users,
            partition,
        };
        let mut after: Option<String> = None;
        loop {
            let page = shared.ports.state.scan(at, after.as_deref(), COUNT_PAGE);
            let page = page.await?.values;
            let Some(last) = page.last() else { break };
            let visitors = page.iter().map(|(key, _)| key.as_bytes().get(..2));
            count += visitors
                .filter(|start| matches!(start, Some(b"u/" | b"a/")))
                .count() as u64;
            after = Some(last.0.clone());
        }
    }
    Ok(count)
}
