//! Following a topic with a position of one's own: what sinks and the request loop share.
//!
//! Whoever follows reads a partition from its position, does something with the records outside
//! the stream, and moves the position together with the effect. A failure that may pass is tried
//! again, with growing pauses, for as long as it lasts: nothing is given up because a store is
//! down. A record that can never succeed is given up after [`ATTEMPTS_MAX`] attempts and becomes
//! a dead letter, so that it does not hold up those behind it.

use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::shared::Shared;
use std::sync::Arc;
use tracing::{error, warn};
use vitrina_ports::log::{Append, LogRecord, Offset, Records};
use vitrina_ports::{PortFuture, Retry};
use vitrina_types::event::Rejection;
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::partition::Partition;
use vitrina_types::record::DeadLetter;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Bytes read in one step.
const READ_BYTES: usize = 256 * 1_024;
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
    /// Only the first record at a time, after a step that can never succeed.
    one_by_one: bool,
}

/// Follows until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>, follower: Arc<dyn Follower>) {
    let mut backoff = Backoff::new(follower.topic().number().into());
    let partitions = follower.partitions();
    let place = |partition| Place {
        partition,
        position: None,
        one_by_one: false,
    };
    let mut places: Vec<Place> = partitions.into_iter().map(place).collect();
    let mut seen = 0;
    while !*shared.stop.borrow() {
        let done = turn(&shared, &*follower, &mut places, &mut backoff).await;
        let wait = match done {
            Ok(true) => {
                backoff.reset();
                continue;
            }
            Ok(false) => None,
            Err(error) => {
                let pause = backoff.pause();
                shared.figures.retries.add(1);
                warn!(%error, follower = follower.name(), pause_ms = pause.as_millis() as u64, "tries again");
                Some(pause)
            }
        };
        let waiting = async {
            match wait {
                Some(pause) => tokio::time::sleep(pause).await,
                None => match shared.ports.log.changed(seen).await {
                    Ok(now) => seen = now,
                    Err(_) => tokio::time::sleep(crate::backoff::PAUSE_MAX).await,
                },
            }
        };
        tokio::select! {
            () = waiting => {}
            () = shared.stopped() => {}
        }
    }
}

/// One step of every partition; answers whether there was anything.
async fn turn(
    shared: &Shared,
    follower: &dyn Follower,
    places: &mut [Place],
    backoff: &mut Backoff,
) -> Result<bool, EngineError> {
    let mut moved = false;
    for place in places {
        let done = step(shared, follower, place, backoff.attempts()).await;
        if done.is_err() {
            // Somebody else may have moved it, or the outcome is unknown.
            place.position = None;
        }
        moved |= done?;
    }
    Ok(moved)
}

async fn step(
    shared: &Shared,
    follower: &dyn Follower,
    place: &mut Place,
    attempts: u32,
) -> Result<bool, EngineError> {
    let (topic, partition) = (follower.topic(), place.partition);
    let expected = match place.position {
        Some(known) => known,
        None => follower.position(shared, partition).await?,
    };
    place.position = Some(expected);
    shared
        .followed
        .stands(follower.name(), topic, partition, expected);
    let log = &shared.ports.log;
    let bounds = log.bounds(topic, partition);
    // What retention took before it was followed is gone.
    let from = expected.unwrap_or(0).max(bounds.start);
    if bounds.end <= from {
        return Ok(false);
    }
    let bytes = if place.one_by_one { 1 } else { READ_BYTES };
    let records = log.read(topic, partition, from, bytes).await?;
    let next = records.last().map_or(bounds.end, |last| last.offset + 1);
    let step = FollowStep {
        partition,
        expected,
        next,
        records: &records,
    };
    match follower.apply(shared, step).await {
        Ok(()) => place.one_by_one = false,
        Err(error) if error.retry() == Retry::Never && attempts + 1 >= ATTEMPTS_MAX => {
            if records.len() > 1 {
                place.one_by_one = true;
                return Ok(true);
            }
            let why = error.to_string();
            give_up(shared, follower, place, expected, &records, &why).await?;
        }
        Err(error) => return Err(error.into()),
    }
    place.position = Some(Some(next));
    shared
        .followed
        .stands(follower.name(), topic, partition, Some(next));
    shared.moved();
    Ok(true)
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
