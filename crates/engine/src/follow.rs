//! Following a topic with a position of one's own: what sinks and the request loop share.
//!
//! Whoever follows reads a partition from its position, does something with the records outside
//! the stream, and moves the position together with the effect. A failure that may pass is tried
//! again, with growing pauses, for as long as it lasts: nothing is given up because a store is
//! down. A record that can never succeed is given up after [`ATTEMPTS_MAX`] attempts and becomes
//! a dead letter, so that it does not hold up those behind it. Attempts are those of the record:
//! what fails in one partition neither counts against another one nor holds it up.

use crate::backoff::{Backoff, PAUSE_MAX};
use crate::error::EngineError;
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, warn};
use vitrina_ports::log::{Append, LogRecord, Offset, Records};
use vitrina_ports::{PortError, PortFuture, Retry};
use vitrina_types::event::Rejection;
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::partition::Partition;
use vitrina_types::record::DeadLetter;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Bytes read in one step.
const READ_BYTES: usize = 256 * 1_024;
/// Records in one step, below what the stores behind take in one call.
const RECORDS_MAX: usize = 8_192;
/// A record that can never succeed is given up after so many attempts.
pub(crate) const ATTEMPTS_MAX: u32 = 5;

/// Somebody who follows a topic.
pub(crate) trait Follower: Send + Sync + 'static {
    /// Names it in log lines.
    fn name(&self) -> &'static str;

    /// What it follows.
    fn topic(&self) -> Topic;

    /// Its partitions.
    fn partitions(&self) -> Vec<Partition>;

    /// Records in one step at most.
    fn records_max(&self) -> usize {
        RECORDS_MAX
    }

    /// Whether what it does depends on state: then it begins once the state holds what the log
    /// held at the start, whatever a crash took of it.
    fn needs_state(&self) -> bool {
        false
    }

    /// The next offset to read; `None` before the first.
    fn position<'a>(
        &'a self,
        shared: &'a Shared,
        partition: Partition,
    ) -> PortFuture<'a, Option<Offset>>;

    /// Does its work with `records` and moves the position from `expected` to `next`, together or
    /// not at all. `dead_letters` are to be published with it.
    fn apply<'a>(&'a self, shared: &'a Shared, step: FollowStep<'a>) -> PortFuture<'a, ()>;
}

/// Records that a follower has not come to yet; `None` where its position cannot be read.
pub(crate) async fn behind(shared: &Shared, follower: &dyn Follower) -> Option<u64> {
    let mut behind = 0;
    for partition in follower.partitions() {
        let bounds = shared.ports.log.bounds(follower.topic(), partition);
        let position = follower.position(shared, partition).await.ok()?;
        // What retention took is nothing to wait for.
        let from = position.unwrap_or(0).max(bounds.start);
        behind += bounds.end.saturating_sub(from);
    }
    Some(behind)
}

/// One step of a follower.
pub(crate) struct FollowStep<'a> {
    /// The partition.
    pub(crate) partition: Partition,
    /// The position the step builds on.
    pub(crate) expected: Option<Offset>,
    /// The position after it.
    pub(crate) next: Offset,
    /// The records, in order; none where one was given up.
    pub(crate) records: &'a [LogRecord],
}

/// Where one partition stands.
struct Place {
    partition: Partition,
    /// `None` until it was read.
    position: Option<Option<Offset>>,
    /// Failures in a row that no later attempt mends.
    attempts: u32,
    /// Below this offset one record at a time: all of them together can never succeed.
    alone_below: Offset,
    /// Whether its last step failed.
    is_failing: bool,
}

/// What one turn came to.
#[derive(Default)]
struct Turned {
    moved: bool,
    /// Partitions whose step failed, and the first of their errors.
    failed: usize,
    error: Option<EngineError>,
}

/// Follows until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>, follower: Arc<dyn Follower>) {
    let mut backoff = Backoff::new(follower.topic().number().into());
    let place = |partition| Place {
        partition,
        position: None,
        attempts: 0,
        alone_below: 0,
        is_failing: false,
    };
    let mut places: Vec<Place> = follower.partitions().into_iter().map(place).collect();
    if follower.needs_state() {
        shared.caught_up().await;
    }
    let (mut seen, mut retry_at) = (0, None);
    while !*shared.stop.borrow() {
        let is_due = retry_at.is_none_or(|at| at <= Instant::now());
        let turned = turn(&shared, &*follower, &mut places, is_due).await;
        if let Some(error) = &turned.error {
            let pause = backoff.pause();
            retry_at = Some(Instant::now() + pause);
            shared.figures.retries.add(1);
            tell(&*follower, error, turned.failed, pause);
        } else if !places.iter().any(|place| place.is_failing) {
            backoff.reset();
            retry_at = None;
        }
        if turned.moved {
            tokio::task::yield_now().await;
            continue;
        }
        let news = async {
            match shared.ports.log.changed(seen).await {
                Ok(now) => now,
                Err(_) => {
                    tokio::time::sleep(PAUSE_MAX).await;
                    seen
                }
            }
        };
        let retry = tokio::time::sleep_until(retry_at.unwrap_or_else(Instant::now));
        tokio::select! {
            now = news => seen = now,
            () = retry, if retry_at.is_some() => {}
            () = shared.stopped() => {}
        }
    }
}

/// Says what failed. What no attempt mends is for a person to look at.
fn tell(follower: &dyn Follower, error: &EngineError, partitions: usize, pause: Duration) {
    let (follower, pause_ms) = (follower.name(), pause.as_millis() as u64);
    if error.retry() == Retry::Never {
        error!(%error, follower, partitions, pause_ms, "tries again what cannot succeed");
    } else {
        warn!(%error, follower, partitions, pause_ms, "tries again");
    }
}

/// One step of every partition. One that failed is left out until it is due again; it holds up
/// no other.
async fn turn(
    shared: &Shared,
    follower: &dyn Follower,
    places: &mut [Place],
    is_due: bool,
) -> Turned {
    let mut turned = Turned::default();
    for place in places {
        if *shared.stop.borrow() {
            break;
        }
        if place.is_failing && !is_due {
            continue;
        }
        let done = step(shared, follower, place).await;
        place.is_failing = done.is_err();
        match done {
            Ok(moved) => turned.moved |= moved,
            Err(error) => {
                // Somebody else may have moved it, or the outcome is unknown.
                place.position = None;
                turned.failed += 1;
                turned.error.get_or_insert(error);
            }
        }
    }
    turned
}

async fn step(
    shared: &Shared,
    follower: &dyn Follower,
    place: &mut Place,
) -> Result<bool, EngineError> {
    let (topic, partition) = (follower.topic(), place.partition);
    let expected = match place.position {
        Some(known) => known,
        None => follower.position(shared, partition).await?,
    };
    place.position = Some(expected);
    let followed = &shared.followed;
    followed.stands(follower.name(), topic, partition, expected);
    let log = &shared.ports.log;
    let bounds = log.bounds(topic, partition);
    // What retention took before it was followed is gone.
    let from = expected.unwrap_or(0).max(bounds.start);
    if bounds.end <= from {
        return Ok(false);
    }
    let is_alone = from < place.alone_below;
    let bytes = if is_alone { 1 } else { READ_BYTES };
    let mut records = log.read(topic, partition, from, bytes).await?;
    records.truncate(follower.records_max());
    let next = records.last().map_or(bounds.end, |last| last.offset + 1);
    let step = FollowStep {
        partition,
        expected,
        next,
        records: &records,
    };
    if let Err(error) = follower.apply(shared, step).await {
        if records.is_empty() || !is_hopeless(&error) {
            return Err(error.into());
        }
        place.attempts += 1;
        if place.attempts < ATTEMPTS_MAX {
            return Err(error.into());
        }
        if records.len() > 1 {
            (place.alone_below, place.attempts) = (next, 0);
            return Ok(true);
        }
        let why = error.to_string();
        give_up(shared, follower, place, expected, &records, &why).await?;
    }
    place.attempts = 0;
    place.position = Some(Some(next));
    followed.stands(follower.name(), topic, partition, Some(next));
    shared.moved();
    Ok(true)
}

/// Whether it is the records that can never succeed. A port that was closed says nothing of them.
fn is_hopeless(error: &PortError) -> bool {
    error.retry() == Retry::Never && !matches!(error, PortError::Closed { .. })
}

/// Makes a dead letter of the one record, then moves past it. A crash between the two makes a
/// second letter, never none.
async fn give_up(
    shared: &Shared,
    follower: &dyn Follower,
    place: &Place,
    expected: Option<Offset>,
    records: &[LogRecord],
    why: &str,
) -> Result<(), EngineError> {
    let Some(record) = records.first() else {
        return Ok(());
    };
    let (topic, partition) = (follower.topic(), place.partition);
    error!(follower = follower.name(), %topic, partition = partition.0, offset = record.offset, why, "gave up a record");
    let kept = record.bytes.len().min(DEAD_LETTER_BYTES_MAX);
    let letter = DeadLetter {
        ingest_time: shared.now(),
        source: format!("{topic}/{}@{}", partition.0, record.offset).into(),
        rejection: Rejection::new("gave_up", "", format!("{}: {why}", follower.name())),
        attempts: ATTEMPTS_MAX,
        bytes: record.bytes[..kept].to_vec(),
    };
    let mut letters = Records::default();
    letters.push(&stored::encode(&letter));
    let append = Append {
        topic: Topic::DeadLetters,
        partition: Partition(0),
        records: letters,
    };
    shared.ports.log.append(vec![append]).await?;
    let step = FollowStep {
        partition,
        expected,
        next: record.offset + 1,
        records: &[],
    };
    Ok(follower.apply(shared, step).await?)
}

#[cfg(test)]
mod tests;
