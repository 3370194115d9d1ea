//! Where those who follow topics stand, for whoever asks how far behind they are.

use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Somebody who follows a topic: a sink, or the loop that answers questions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SinkStatus {
    /// Its name: `analytics-sink`, `catalogue-sink`, `requests`.
    pub sink: &'static str,
    /// What it follows.
    pub topic: &'static str,
    /// Records it has not come to yet.
    pub lag: u64,
}

/// The next offset of each partition, by follower and its topic.
type Places = BTreeMap<(&'static str, Topic), BTreeMap<Partition, Offset>>;

/// Where followers stand. Those that have not read their positions yet are not among them.
#[derive(Debug, Default)]
pub(crate) struct Followed(Mutex<Places>);

impl Followed {
    /// A follower stands at `position` of a partition; before the first for `None`.
    pub(crate) fn stands(
        &self,
        name: &'static str,
        topic: Topic,
        partition: Partition,
        position: Option<Offset>,
    ) {
        let mut places = self.0.lock();
        let of = places.entry((name, topic)).or_default();
        of.insert(partition, position.unwrap_or(0));
    }

    /// How far each is behind, by name.
    pub(crate) fn sinks(&self, log: &dyn EventLog) -> Vec<SinkStatus> {
        let places = self.0.lock();
        let sink = |(&(sink, topic), positions): (&(&'static str, Topic), &BTreeMap<_, _>)| {
            let behind = positions.iter().map(|(&partition, &position)| {
                let bounds = log.bounds(topic, partition);
                // What retention took is nothing to wait for.
                bounds.end.saturating_sub(bounds.start.max(position))
            });
            SinkStatus {
                sink,
                topic: topic.name(),
                lag: behind.sum(),
            }
        };
        places.iter().map(sink).collect()
    }
}
