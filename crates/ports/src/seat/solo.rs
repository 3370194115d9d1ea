//! The seat of a group that never changes, over any [`EventLog`]: the embedded case.
//!
//! A transaction is gathered in memory and published in one call, so none is ever open in the log
//! and nothing has to be fenced: the log's own check of the committed positions does it.

use super::{Assignment, Membership, Seat, Seats, TaskId};
use crate::PortFuture;
use crate::log::{Append, Consumed, Consumer, EventLog, Offset};
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// A member that owns the same tasks for ever.
pub struct SoloSeat {
    log: Arc<dyn EventLog>,
    /// Told with the first poll.
    tasks: Vec<TaskId>,
    outputs: Vec<Append>,
    consumed: Vec<Consumed>,
}

impl SoloSeat {
    /// The seat of the member that owns `tasks`.
    pub fn new(log: Arc<dyn EventLog>, tasks: Vec<TaskId>) -> Self {
        Self {
            log,
            tasks,
            outputs: Vec::new(),
            consumed: Vec::new(),
        }
    }
}

impl Seat for SoloSeat {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        let tasks = std::mem::take(&mut self.tasks);
        let changed = if tasks.is_empty() {
            Vec::new()
        } else {
            vec![Assignment::Assigned(tasks)]
        };
        Box::pin(async { Ok(changed) })
    }

    fn release<'a>(&'a mut self, _tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn membership(&self) -> Option<Membership> {
        Some(Membership {
            member: "solo".into(),
            generation: 0,
        })
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        self.outputs.extend(outputs);
        Box::pin(async { Ok(()) })
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        _as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        self.consumed.extend(consumed);
        Box::pin(async { Ok(()) })
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        let outputs = std::mem::take(&mut self.outputs);
        let consumed = std::mem::take(&mut self.consumed);
        Box::pin(async move {
            if !outputs.is_empty() || !consumed.is_empty() {
                self.log.publish(outputs, consumed, false).await?;
            }
            Ok(())
        })
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        self.outputs.clear();
        self.consumed.clear();
        Box::pin(async { Ok(()) })
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.log.committed(consumer)
    }
}

/// The seats of a process that works every task there is.
pub struct SoloSeats {
    inputs: Vec<Topic>,
}

impl SoloSeats {
    /// Deals out every partition of `inputs`.
    pub fn new(inputs: &[Topic]) -> Self {
        Self {
            inputs: inputs.to_vec(),
        }
    }
}

impl Seats for SoloSeats {
    fn seat<'a>(
        &'a self,
        log: &'a Arc<dyn EventLog>,
        worker: usize,
        of: usize,
    ) -> PortFuture<'a, Box<dyn Seat>> {
        let seat = SoloSeat::new(Arc::clone(log), share(&self.inputs, worker, of));
        Box::pin(async { Ok(Box::new(seat) as _) })
    }

    fn are_alone(&self) -> bool {
        true
    }
}

/// Every `of`-th task beginning with `number`: the share of one worker where nothing ever changes.
pub fn share(inputs: &[Topic], number: usize, of: usize) -> Vec<TaskId> {
    let mine = move |partition: &Partition| partition.at() % of == number;
    let tasks = |topic: &Topic| {
        let topic = *topic;
        Partition::all()
            .filter(mine)
            .map(move |partition| TaskId { topic, partition })
    };
    inputs.iter().flat_map(tasks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::memory::MemoryLog;
    use crate::suite::block_on;
    use std::collections::BTreeSet;

    /// A task that nobody works stops what stands behind it; one that two work makes them fight.
    #[test]
    fn every_task_is_dealt_to_one_worker() {
        block_on(async {
            let inputs = [Topic::UserEvents, Topic::ProductSignals];
            let seats = SoloSeats::new(&inputs);
            let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
            for of in 1..=3 {
                let mut dealt = BTreeSet::new();
                for worker in 0..of {
                    let mut seat = seats.seat(&log, worker, of).await.unwrap();
                    for assigned in seat.poll().await.unwrap() {
                        let Assignment::Assigned(tasks) = assigned else {
                            panic!("{assigned:?}");
                        };
                        for task in tasks {
                            assert!(dealt.insert(task), "{task:?} twice, of {of}");
                        }
                    }
                }
                assert_eq!(dealt.len(), inputs.len() * Partition::all().count());
            }
        });
    }
}
