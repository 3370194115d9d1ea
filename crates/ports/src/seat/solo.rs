//! The seat of a group that never changes, over any [`EventLog`]: the embedded case.
//!
//! A transaction is gathered in memory and published in one call, so none is ever open in the log
//! and nothing has to be fenced: the log's own check of the committed positions does it.

use super::{Assignment, Membership, Seat, TaskId};
use crate::PortFuture;
use crate::log::{Append, Consumed, Consumer, EventLog, Offset};
use std::sync::Arc;

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
