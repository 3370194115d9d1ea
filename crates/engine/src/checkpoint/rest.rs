//! Coming to rest: S = O = end of the input, everywhere.
//!
//! New operator code must never replay what old code published: it would make other outputs of
//! the same records. So an upgrade that changes what operators do goes like this:
//!
//! 1. stop the engine, all of them: nobody takes in, nobody ticks;
//! 2. [`drain`] what is left, with the old release; over a broker the last member of the group
//!    does it by waiting until nothing is behind;
//! 3. [`Checkpointer::checkpoint_at_rest`](super::Checkpointer::checkpoint_at_rest), with the old
//!    release: it refuses unless everything stands still, and says so in the manifest;
//! 4. start the new release. It starts at S = O. A restore with it must not go back behind this
//!    checkpoint: [`RestoreReport`](super::RestoreReport) names release and rest.

use super::follower::{Follower, stages};
use crate::error::EngineError;
use crate::options::{Clock, EngineOptions, Ports};
use crate::shared::Shared;
use crate::topology;
use crate::worker::{Turn, Worker};
use std::sync::Arc;
use vitrina_ports::seat::solo::{SoloSeat, share};
use vitrina_ports::state::StateStore;

/// Works off all there is in the log and adds nothing but what follows from it. For stores that
/// have no other engine at work: those of one data directory.
///
/// # Errors
/// `CannotStart` when the stores contradict each other; the ports' errors, then call it again.
pub async fn drain(
    ports: &Ports,
    options: &EngineOptions,
    clock: &Clock,
) -> Result<(), EngineError> {
    let shared = Shared::new(ports.clone(), options.clone(), Arc::clone(clock));
    let tasks = share(&topology::INPUTS, 0, 1);
    let seat = Box::new(SoloSeat::new(Arc::clone(&ports.log), tasks));
    let mut worker = Worker::new(seat, stages(&shared), 0);
    worker.start(&shared).await?;
    while worker.turn(&shared).await? == Turn::Moved {}
    worker.rest(&shared).await
}

/// Refuses unless the engine's own state, what it published and the log end at one point.
pub(super) async fn refuse_unless_at_rest(
    follower: &Follower,
    ports: &Ports,
) -> Result<(), EngineError> {
    for (stage, partition) in follower.tasks() {
        let found = ports.state.get_many(stage.state(partition), &[]).await?;
        let (live, published) = (found.position, follower.published(stage, partition).await?);
        let own = follower.position(stage.state(partition)).await?;
        let end = ports.log.bounds(stage.input, partition).end;
        if [live, published, own].iter().any(|&at| at != end) {
            let source = stage.consumer(partition).source;
            return Err(EngineError::CheckpointRefused {
                reason: format!(
                    "{source} is not at rest: state stands at {live}, outputs are published up to \
                     {published}, the follower stands at {own}, the log ends at {end}; stop every \
                     engine and drain what is left"
                ),
            });
        }
    }
    Ok(())
}
