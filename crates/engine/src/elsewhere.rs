//! How far the tasks of other processes have come: asked of the state store, which answers the
//! position of a partition with everything read of it.
//!
//! What this process works itself it knows without asking. Nothing here decides about records; it
//! is for those who wait (`settled`, `caught_up`), for the limit of intake, and for `status`.

use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::shared::{Shared, input_of};
use crate::unread::STAGES;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::warn;
use vitrina_ports::PortError;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
use vitrina_types::stored;

/// Every task is asked about this often, also where nothing is known to be on its way: state may
/// have lost its tail.
const ALL_INTERVAL: Duration = Duration::from_secs(1);
/// It tells its own pauses from those of other loops.
const NUMBER: u64 = 2_000;

/// Asks about every task of another process, once.
///
/// # Errors
/// The state store's.
pub(crate) async fn look(shared: &Arc<Shared>) -> Result<(), EngineError> {
    ask(shared, elsewhere(shared)).await
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let interval = shared.options.progress_interval;
    let mut backoff = Backoff::new(NUMBER);
    let (mut seen, mut looked) = (0, Instant::now());
    while !*shared.stop.borrow() {
        let is_due = looked.elapsed() >= ALL_INTERVAL;
        let mut tasks = elsewhere(&shared);
        if is_due {
            looked = Instant::now();
        } else {
            tasks.retain(|task| is_behind(&shared, *task));
        }
        let mut pause = interval;
        match ask(&shared, tasks).await {
            Ok(()) => backoff.reset(),
            Err(error) => {
                pause = backoff.pause().max(interval);
                warn!(%error, "where other processes stand cannot be read");
            }
        }
        if shared.is_awaited() {
            // Sinks of other processes move without a word.
            shared.moved();
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.stopped() => return,
        }
        let tasks = elsewhere(&shared);
        if shared.is_awaited() || tasks.iter().any(|task| is_behind(&shared, *task)) {
            continue;
        }
        let left = ALL_INTERVAL.saturating_sub(looked.elapsed());
        tokio::select! {
            now = shared.ports.log.changed(seen), if !tasks.is_empty() => match now {
                Ok(now) => seen = now,
                Err(_) => tokio::time::sleep(left).await,
            },
            () = tokio::time::sleep(left) => {}
            () = shared.stopped() => return,
        }
    }
}

/// The tasks that no worker of this process has.
fn elsewhere(shared: &Shared) -> Vec<StatePartition> {
    let all = STAGES.into_iter().flat_map(|space| {
        Partition::all().map(move |partition| StatePartition { space, partition })
    });
    all.filter(|at| !shared.is_here(at.space, at.partition))
        .collect()
}

fn is_behind(shared: &Shared, at: StatePartition) -> bool {
    let bounds = shared.ports.log.bounds(input_of(at.space), at.partition);
    shared.applied(at.space, at.partition) < bounds.end
}

/// All at the same time: a store over a network answers them together.
async fn ask(shared: &Arc<Shared>, tasks: Vec<StatePartition>) -> Result<(), EngineError> {
    let mut asking = JoinSet::new();
    for at in tasks {
        let shared = Arc::clone(shared);
        asking.spawn(async move { ask_one(&shared, at).await });
    }
    let mut done = Ok(());
    while let Some(asked) = asking.join_next().await {
        done = done.and(asked.map_err(|_| EngineError::Stopping)?);
    }
    done
}

async fn ask_one(shared: &Shared, at: StatePartition) -> Result<(), EngineError> {
    let StatePartition { space, partition } = at;
    let key = [TaskState::KEY.to_owned()];
    let found = shared.ports.state.get_many(at, &key).await?;
    let task = match found.values.into_iter().next().flatten() {
        Some(bytes) => stored::decode(&bytes).map_err(|error| PortError::Damaged {
            what: format!("{} state {}: {error}", Space::name(space), partition.0),
        })?,
        None => TaskState::default(),
    };
    shared.heard(space, partition, found.position, &task);
    Ok(())
}
