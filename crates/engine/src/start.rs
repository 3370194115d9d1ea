//! Which loops run, by the roles of the process.

use crate::error::EngineError;
use crate::follow::{self, Follower};
use crate::items::Tail;
use crate::shared::Shared;
use crate::sinks::{AnalyticsSink, CatalogueSink};
use crate::worker::Worker;
use crate::{elsewhere, impressions, relay, requests, thread_of, topology, upkeep};
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::mpsc::Receiver;
use vitrina_types::answer::Impression;

/// Starts the workers of the stream, each on a thread of its own; none where it is the work of
/// other processes.
///
/// # Errors
/// `CannotStart` when the stores contradict each other; a port's error.
pub(crate) async fn stream(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, EngineError> {
    let count = match shared.options.roles.stream {
        true => shared.options.stream_threads.max(1),
        false => 0,
    };
    let mut workers = Vec::new();
    for number in 0..count {
        let seats = &shared.ports.seats;
        let seat = seats.seat(&shared.ports.log, number, count).await?;
        let mut worker = Worker::new(seat, topology::stages(shared), number as u64);
        worker.start(shared).await?;
        workers.push(worker);
    }
    let threads = workers.into_iter().enumerate().map(|(number, worker)| {
        let work = worker.run(Arc::clone(shared));
        thread_of(format!("stream-{number}"), work)
    });
    threads.collect()
}

/// Starts everything else. `tails` follow the item side, where others change it; `impressions` is
/// what answers leave.
pub(crate) fn chores(
    shared: &Arc<Shared>,
    tails: Vec<Tail>,
    impressions: Receiver<Impression>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let roles = shared.options.roles;
    let mut chores = vec![
        tokio::spawn(upkeep::run(Arc::clone(shared))),
        tokio::spawn(impressions::run(Arc::clone(shared), impressions)),
        tokio::spawn(elsewhere::run(Arc::clone(shared))),
    ];
    if roles.answers && shared.follows_signals() {
        for tail in tails {
            tail.stands(shared);
            chores.push(tokio::spawn(tail.run(Arc::clone(shared))));
        }
    }
    let mut followers: Vec<Arc<dyn Follower>> = Vec::new();
    if roles.chores {
        let shared = Arc::clone(shared);
        chores.push(tokio::spawn(async move { relay::run(&shared).await }));
        followers.push(Arc::new(CatalogueSink));
        followers.push(Arc::new(AnalyticsSink));
    }
    if roles.has_questions() {
        followers.push(Arc::new(requests::RequestLoop));
    }
    let follow = |follower| tokio::spawn(follow::run(Arc::clone(shared), follower));
    chores.extend(followers.into_iter().map(follow));
    chores
}
