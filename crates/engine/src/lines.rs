//! A job: the window rows of files, by the stages and stores that serve a shop.
//!
//! The files are the log of what happened, their bytes the positions; what is made of them goes
//! to the log and the state of the ports, published and committed as everywhere. So a job that was
//! killed goes on from its positions when it is run again, and answers the same.
//!
//! Not an import: no visitor's profile and no recommendation comes of it.

mod read;

use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::options::{Clock, EngineOptions, Ports};
use crate::shared::Shared;
use crate::stage::{AnyStage, Stage};
use crate::worker::Worker;
use crate::{thread_of, upkeep};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use vitrina_ports::log::{Consumed, Consumer, EventLog};
use vitrina_ports::seat::TaskId;
use vitrina_ports::seat::solo::{SoloSeat, share};
use vitrina_ports::state::Space;
use vitrina_stream::{LineOptions, LineStage, Operator, RowStage, Task};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::row::WindowRow;
use vitrina_types::topic::Topic;

pub use vitrina_stream::LineValue;

/// The name under which a job marks its stores.
const JOB: &str = "rows-of-files";

/// A worker that fails this often in a row, over some ten seconds, ends the job.
const FAILURES_MAX: u32 = 10;

/// Bytes of a file read in one round: enough that what a round costs does not count. A line tells
/// so few sums that a round's outputs stay far below what a log call may carry.
const LINE_READ_BYTES: usize = 256 * 1_024;

/// Bytes of a partition of `row-signals` read in one round.
const ROW_READ_BYTES: usize = 64 * 1_024;

/// What is to be made.
#[derive(Debug, Clone)]
pub struct LinesJob {
    /// Tells this job, its files and its settings from any other: stores that hold another one's
    /// rows are refused. At most 100 bytes.
    pub name: String,
    /// How many files the log of the ports has as partitions of `user-events`, from 0 on.
    pub files: u16,
    /// Threads, at least 1.
    pub threads: usize,
    /// Length of a window, in ms, above 0.
    pub window_ms: i64,
    /// What is summed up as the value of an event.
    pub value: LineValue,
    /// State and log are written this often, so a kill takes at most so much work.
    pub commit_interval: Duration,
}

/// All rows, added up.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RowsReport {
    /// Events counted.
    pub events: u64,
    /// Rows: products and windows that anything happened to.
    pub rows: u64,
    /// The values of all events, by currency.
    pub sums: BTreeMap<Currency, Amount>,
    /// Purchases.
    pub purchases: u64,
    /// Lines that are no events; they are in `dead-letters`.
    pub rejected: u64,
    /// Events left out because they came too late. None ever is: they make another part of a row.
    pub late: u64,
    /// From the start of the job to its end.
    pub seconds: f64,
}

/// Receives the rows, by partition, window and key; an error ends the job.
pub type EachRow<'a> = dyn FnMut(&WindowRow) -> std::io::Result<()> + Send + 'a;

/// Makes the rows and hands each to `each`. Everything is durable when it resolves. Call it on a
/// multi-threaded tokio runtime, on stores that nobody else uses.
///
/// # Errors
/// `CannotStart` where the stores hold anything but this job; a port's error that lasts.
pub async fn rows_of_files(
    ports: Ports,
    job: &LinesJob,
    clock: Clock,
    each: &mut EachRow<'_>,
) -> Result<RowsReport, EngineError> {
    let began = Instant::now();
    mark(&*ports.log, job).await?;
    let options = EngineOptions {
        stream_threads: job.threads.max(1),
        commit_interval: job.commit_interval,
        flush_interval: job.commit_interval,
        ..EngineOptions::default()
    };
    let shared = Arc::new(Shared::new(ports, options, clock));
    let mut threads = start(&shared, job).await?;
    let worked = attend(&shared, job, &mut threads).await;
    shared.stop.send_replace(true);
    let mut ended = Ok(());
    while let Some(thread) = threads.join_next().await {
        ended = ended.and(thread.unwrap_or(Err(EngineError::Stopping)));
    }
    worked.and(ended)?;
    upkeep::flush_now(&shared).await?;
    let log = &shared.ports.log;
    log.publish(Vec::new(), Vec::new(), true).await?;
    let mut report = read::report(&shared, job, each).await?;
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// Takes the stores for this job, unless they are another's.
async fn mark(log: &dyn EventLog, job: &LinesJob) -> Result<(), EngineError> {
    let consumer = Consumer {
        name: JOB,
        source: job.name.clone(),
    };
    if log.committed(&consumer).await?.is_some() {
        return Ok(());
    }
    let topics = Topic::ALL
        .iter()
        .filter(|topic| **topic != Topic::UserEvents);
    let mut places = topics.flat_map(|topic| Partition::all().map(move |p| (*topic, p)));
    if places.any(|(topic, partition)| log.bounds(topic, partition).end > 0) {
        let reason = "the data directory holds something else than rows of these files, made with \
                      these settings; name an empty one"
            .to_owned();
        return Err(EngineError::CannotStart { reason });
    }
    let taken = Consumed {
        consumer,
        expected: None,
        next: 0,
    };
    log.publish(Vec::new(), vec![taken], true).await?;
    Ok(())
}

/// What each thread came to.
type Threads = JoinSet<Result<(), EngineError>>;

/// Starts the workers from the stored positions.
async fn start(shared: &Arc<Shared>, job: &LinesJob) -> Result<Threads, EngineError> {
    let of = shared.options.stream_threads;
    let mut workers = Vec::new();
    for number in 0..of {
        let mut tasks = share(&[Topic::RowSignals], number, of);
        let files = (0..job.files).filter(|file| usize::from(*file) % of == number);
        tasks.extend(files.map(|file| TaskId {
            topic: Topic::UserEvents,
            partition: Partition(file),
        }));
        let seat = SoloSeat::new(Arc::clone(&shared.ports.log), tasks);
        let mut worker = Worker::new(Box::new(seat), stages(job), number as u64);
        worker.start(shared).await?;
        workers.push(worker);
    }
    let mut threads = Threads::new();
    for (number, worker) in workers.into_iter().enumerate() {
        let (tell, told) = oneshot::channel();
        let shared = Arc::clone(shared);
        thread_of(format!("rows-{number}"), async move {
            // Whoever waits for it may have gone.
            let _ = tell.send(work(worker, number, &shared).await);
        })?;
        threads.spawn(async move { told.await.unwrap_or(Err(EngineError::Stopping)) });
    }
    Ok(threads)
}

fn stages(job: &LinesJob) -> Vec<Box<dyn AnyStage>> {
    let mut options = LineOptions {
        upstreams: job.files,
        value: job.value,
        ..LineOptions::default()
    };
    options.rows.row_window_ms = job.window_ms;
    let rows = RowStage {
        options: options.rows.clone(),
    };
    vec![
        in_bulk(Space::Lines, LineStage { options }, LINE_READ_BYTES),
        in_bulk(Space::Rows, rows, ROW_READ_BYTES),
    ]
}

fn in_bulk<O: Operator + Clone>(space: Space, operator: O, read_bytes: usize) -> Box<dyn AnyStage> {
    let make = move |partition| Task::new(operator.clone(), partition);
    Box::new(Stage::new(space, Box::new(make), Box::new(|_, _| {})).in_bulk(read_bytes))
}

/// One thread: runs until the job is done, or until it fails again and again.
async fn work(mut worker: Worker, number: usize, shared: &Shared) -> Result<(), EngineError> {
    let mut backoff = Backoff::new(number as u64);
    let (mut seen, mut failures) = (0, 0);
    while !*shared.stop.borrow() {
        match worker.advance(shared, &mut seen).await {
            Ok(()) => {
                backoff.reset();
                failures = 0;
            }
            Err(error) if failures >= FAILURES_MAX => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the job starts again from its positions");
                failures += 1;
                tokio::time::sleep(backoff.pause()).await;
            }
        }
    }
    Ok(())
}

/// Writes state to disk now and then until everything is read, published and committed.
async fn attend(
    shared: &Arc<Shared>,
    job: &LinesJob,
    threads: &mut Threads,
) -> Result<(), EngineError> {
    let mut progress = shared.subscribe();
    let mut flush = interval(shared.options.flush_interval);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !is_done(shared, job) {
        tokio::select! {
            _ = flush.tick() => upkeep::flush_now(shared).await?,
            _ = progress.changed() => {}
            Some(ended) = threads.join_next() => {
                ended.unwrap_or(Err(EngineError::Stopping))?;
                return Err(EngineError::Stopping);
            }
        }
    }
    Ok(())
}

/// Whether all state stands at the end of what it is made of. Looks twice: what was published
/// while it looked shows as another end.
fn is_done(shared: &Shared, job: &LinesJob) -> bool {
    let files = (0..job.files).map(|file| (Space::Lines, Partition(file)));
    let rows = Partition::all().map(|partition| (Space::Rows, partition));
    let places: Vec<_> = files.chain(rows).collect();
    let look = || -> Option<Vec<u64>> {
        let mut ends = Vec::with_capacity(places.len());
        for &(space, partition) in &places {
            let input = crate::shared::input_of(space);
            let end = shared.ports.log.bounds(input, partition).end;
            if shared.applied(space, partition) < end {
                return None;
            }
            ends.push(end);
        }
        Some(ends)
    };
    look().is_some_and(|ends| look() == Some(ends))
}

#[cfg(test)]
mod tests;
