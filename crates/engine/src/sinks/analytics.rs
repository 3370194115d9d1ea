//! Window rows into the analytics store: rows and position are one write there, so each row
//! counts exactly once whatever crashes.

use crate::follow::{FollowStep, Follower};
use crate::shared::Shared;
use vitrina_ports::analytics::Upsert;
use vitrina_ports::log::Offset;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::row::WindowRow;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Follows `window-rows` into the analytics store.
pub(crate) struct AnalyticsSink;

impl Follower for AnalyticsSink {
    fn name(&self) -> &'static str {
        "analytics-sink"
    }

    fn topic(&self) -> Topic {
        Topic::WindowRows
    }

    fn partitions(&self) -> Vec<Partition> {
        Partition::all().collect()
    }

    fn position<'a>(
        &'a self,
        shared: &'a Shared,
        partition: Partition,
    ) -> PortFuture<'a, Option<Offset>> {
        shared.ports.analytics.position(partition)
    }

    fn apply<'a>(&'a self, shared: &'a Shared, step: FollowStep<'a>) -> PortFuture<'a, ()> {
        Box::pin(async move {
            let rows: Result<Vec<WindowRow>, PortError> = step
                .records
                .iter()
                .map(|record| {
                    stored::decode(&record.bytes).map_err(|error| PortError::Damaged {
                        what: format!("window row at {}: {error}", record.offset),
                    })
                })
                .collect();
            let upsert = Upsert {
                partition: step.partition,
                expected: step.expected,
                next: step.next,
                rows: rows?,
            };
            shared.ports.analytics.upsert(upsert).await
        })
    }
}
