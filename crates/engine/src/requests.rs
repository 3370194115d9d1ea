//! Questions that come over a topic, and their answers: once each, in order.
//!
//! Answers and the position in the questions are one write to the log, so a question is answered
//! exactly once whatever crashes; what the answer says is what was known when it was made. A
//! question is its id: one that comes again while its answer is remembered is the same question.

use crate::Engine;
use crate::answer::{self, RecommendRequest, Visitor};
use crate::error::EngineError;
use crate::follow::{FollowStep, Follower};
use crate::impressions;
use crate::newest::ONLY;
use crate::shared::Shared;
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::watch;
use tracing::warn;
use vitrina_pipeline::Query;
use vitrina_ports::log::{Append, Consumed, Consumer, LogRecord, Offset, Records};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::answer::{Impression, Request};
use vitrina_types::event::Rejection;
use vitrina_types::id::{PlacementId, RequestId};
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::partition::Partition;
use vitrina_types::record::DeadLetter;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Answers remembered for whoever waits for one.
const ANSWERS_MAX: usize = 16_384;
/// Answers looked at for those to questions when the loop begins: the newest of the log, those
/// nobody asked for over a topic among them.
const LOOKED_AT_MAX: u64 = 2 * ANSWERS_MAX as u64;
/// Read in one step.
const READ_BYTES: usize = 1_024 * 1_024;
/// Pause after answers of another process could not be read.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Questions answered in one step: their answers, each in two topics, are one call to the log.
const STEP_MAX: usize = 256;
/// Questions in one call.
pub const REQUESTS_PER_CALL_MAX: usize = 1_000;
/// Where answers are.
const RESULTS: Topic = Topic::RecommendationsResults;
/// Items of an answer where the question names no number.
const LIMIT: u32 = 10;
/// Placement of an answer where the question names none.
const PLACEMENT: &str = "home";

/// Newest answers by question, and word of new ones.
pub(crate) struct Answers {
    newest: Mutex<(FxHashMap<RequestId, Impression>, VecDeque<RequestId>)>,
    answered: watch::Sender<u64>,
    /// Answers before this one were looked at in the log. Held while somebody looks.
    looked_at: tokio::sync::Mutex<Offset>,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            newest: Mutex::default(),
            answered: watch::Sender::new(0),
            looked_at: tokio::sync::Mutex::new(0),
        }
    }
}

impl Answers {
    fn keep(&self, answers: Vec<Impression>) {
        let mut newest = self.newest.lock();
        let (by_id, order) = &mut *newest;
        for answer in answers {
            let Some(id) = answer.request_id.clone() else {
                continue;
            };
            if by_id.insert(id.clone(), answer).is_none() {
                order.push_back(id);
            }
            while order.len() > ANSWERS_MAX {
                if let Some(oldest) = order.pop_front() {
                    by_id.remove(&oldest);
                }
            }
        }
        drop(newest);
        self.answered.send_modify(|count| *count += 1);
    }

    fn get(&self, id: &RequestId) -> Option<Impression> {
        self.newest.lock().0.get(id).cloned()
    }

    fn knows(&self, id: &RequestId) -> bool {
        self.newest.lock().0.contains_key(id)
    }
}

/// Remembers what was answered before this loop began, or by another one.
async fn recall(shared: &Shared) -> Result<(), PortError> {
    let log = &shared.ports.log;
    let mut looked_at = shared.answers.looked_at.lock().await;
    let bounds = log.bounds(RESULTS, ONLY);
    let begin = (*looked_at)
        .max(bounds.end.saturating_sub(LOOKED_AT_MAX))
        .max(bounds.start);
    let mut from = begin;
    while from < bounds.end {
        let records = log.read(RESULTS, ONLY, from, READ_BYTES).await?;
        let Some(last) = records.last() else { break };
        from = last.offset + 1;
        let found = records
            .iter()
            .filter_map(|record| stored::decode::<Impression>(&record.bytes).ok());
        shared.answers.keep(found.collect());
        // At once: whoever waits for one of them may call this off at the next read.
        *looked_at = from;
    }
    Ok(())
}

/// Looks for answers of another process once there is something new in the log; answers what was
/// seen of it.
async fn looked(shared: &Shared, seen: u64) -> u64 {
    let looking = async {
        let now = shared.ports.log.changed(seen).await?;
        recall(shared).await?;
        Ok::<_, PortError>(now)
    };
    match looking.await {
        Ok(now) => now,
        Err(error) => {
            warn!(%error, "answers of another process cannot be read");
            tokio::time::sleep(LOOK_PAUSE).await;
            seen
        }
    }
}

impl Engine {
    /// Puts questions on their topic; durable when it resolves. Each is answered once, in order.
    ///
    /// # Errors
    /// `Rejected` when a question is none, `TooLarge` for more than [`REQUESTS_PER_CALL_MAX`], the
    /// log's; nothing was asked then.
    pub async fn ask(&self, requests: &[Request]) -> Result<(), EngineError> {
        if requests.len() > REQUESTS_PER_CALL_MAX {
            return Err(EngineError::Port(PortError::TooLarge {
                what: "questions",
                got: requests.len(),
                limit: REQUESTS_PER_CALL_MAX,
            }));
        }
        let mut records = Records::default();
        for request in requests {
            request.check()?;
            records.push_with(|out| stored::encode_into(request, out));
        }
        let append = Append {
            topic: Topic::ClientRecommendations,
            partition: ONLY,
            records,
        };
        self.shared.ports.log.append(vec![append]).await?;
        Ok(())
    }

    /// The answer to a question, waited for at most `longest`; `None` when there is none yet, or
    /// none any more: the newest 16,384 are remembered.
    pub async fn answer_to(&self, id: &RequestId, longest: Duration) -> Option<Impression> {
        let shared = &*self.shared;
        let is_elsewhere = !shared.options.roles.has_questions();
        let mut answered = shared.answers.answered.subscribe();
        let waiting = async {
            let mut seen = 0;
            loop {
                if let Some(found) = shared.answers.get(id) {
                    return Some(found);
                }
                tokio::select! {
                    changed = answered.changed() => changed.ok()?,
                    now = looked(shared, seen), if is_elsewhere => seen = now,
                    () = shared.stopped() => return None,
                }
            }
        };
        tokio::time::timeout(longest, waiting).await.ok().flatten()
    }
}

/// Answers questions.
pub(crate) struct RequestLoop;

/// Whose position in the questions it is.
pub(crate) fn consumer() -> Consumer {
    Consumer {
        name: "requests",
        source: format!("{}/0", Topic::ClientRecommendations),
    }
}

impl Follower for RequestLoop {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn topic(&self) -> Topic {
        Topic::ClientRecommendations
    }

    fn partitions(&self) -> Vec<Partition> {
        vec![ONLY]
    }

    fn records_max(&self) -> usize {
        STEP_MAX
    }

    fn needs_state(&self) -> bool {
        true
    }

    fn position<'a>(
        &'a self,
        shared: &'a Shared,
        _partition: Partition,
    ) -> PortFuture<'a, Option<Offset>> {
        Box::pin(async {
            recall(shared).await?;
            shared.ports.log.committed(&consumer()).await
        })
    }

    fn apply<'a>(&'a self, shared: &'a Shared, step: FollowStep<'a>) -> PortFuture<'a, ()> {
        Box::pin(async move {
            let (mut answers, mut letters) = (Vec::new(), Records::default());
            let mut asked = FxHashSet::default();
            for record in step.records {
                match read(&record.bytes) {
                    Ok(request) => {
                        let id = &request.request_id;
                        if !shared.answers.knows(id) && asked.insert(id.clone()) {
                            answers.push(answer_one(shared, request).await?);
                            // Whoever asks over HTTP waits for no step of questions.
                            tokio::task::yield_now().await;
                        }
                    }
                    Err(rejection) => {
                        let letter = letter(shared, record, rejection);
                        letters.push_with(|out| stored::encode_into(&letter, out));
                    }
                }
            }
            let mut outputs = impressions::appends(shared, &answers);
            if !letters.is_empty() {
                outputs.push(Append {
                    topic: Topic::DeadLetters,
                    partition: ONLY,
                    records: letters,
                });
            }
            let consumed = vec![Consumed {
                consumer: consumer(),
                expected: step.expected,
                next: step.next,
            }];
            shared.ports.log.publish(outputs, consumed, false).await?;
            if let Err(error) = impressions::keep(shared, &answers).await {
                warn!(%error, "slates of answers cannot be explained later");
            }
            shared.answers.keep(answers);
            Ok(())
        })
    }
}

/// Reads a question; whoever writes to the topic need not have checked it.
fn read(bytes: &[u8]) -> Result<Request, Rejection> {
    let request: Request = stored::decode(bytes)
        .map_err(|error| Rejection::new("undecodable", "", error.to_string()))?;
    request.check()?;
    Ok(request)
}

fn letter(shared: &Shared, record: &LogRecord, rejection: Rejection) -> DeadLetter {
    let kept = record.bytes.len().min(DEAD_LETTER_BYTES_MAX);
    DeadLetter {
        ingest_time: shared.now(),
        source: format!("{}@{}", consumer().source, record.offset).into(),
        rejection,
        attempts: 1,
        bytes: record.bytes[..kept].to_vec(),
    }
}

async fn answer_one(shared: &Shared, request: Request) -> Result<Impression, PortError> {
    let visitor = match (request.user_id, request.anonymous_id) {
        (Some(user), _) => Some(Visitor::User(user)),
        (None, Some(anonymous)) => Some(Visitor::Anonymous(anonymous)),
        (None, None) => None,
    };
    let damaged = |error: vitrina_types::id::IdError| PortError::Damaged {
        what: format!("default placement: {error}"),
    };
    let placement = match request.placement {
        Some(placement) => placement,
        None => PlacementId::new(PLACEMENT).map_err(damaged)?,
    };
    let limit = request.limit.unwrap_or(LIMIT) as usize;
    let mut query = Query::new(shared.event_now(), placement, limit);
    query.session = request.session;
    query.product = request.product_id;
    query.filter.categories.extend(request.category);
    let question = RecommendRequest::new(visitor, query);
    match answer::make(shared, question, Some(request.request_id)).await {
        Ok((_, impression)) => Ok(impression),
        Err(EngineError::Port(error)) => Err(error),
        Err(error) => Err(PortError::Unavailable {
            port: "answers",
            detail: error.to_string(),
        }),
    }
}
