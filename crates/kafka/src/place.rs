//! Places: the partitions there are, and what their topics are called at the broker.

use vitrina_ports::log::Append;
use vitrina_ports::seat::TaskId;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// A topic at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Source {
    /// A topic of the event log.
    Log(Topic),
    /// Positions of consumers that have no group, compacted.
    Positions,
}

/// One partition at the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) partition: u16,
}

impl Place {
    /// Where positions are kept.
    pub(crate) const POSITIONS: Self = Self {
        source: Source::Positions,
        partition: 0,
    };

    /// A partition of the log.
    pub(crate) fn of(topic: Topic, partition: Partition) -> Self {
        Self {
            source: Source::Log(topic),
            partition: partition.0,
        }
    }

    /// Where an append goes.
    pub(crate) fn target(append: &Append) -> Self {
        Self::of(append.topic, append.partition)
    }

    /// The place a consumer's source names, as in `user-events/7`.
    pub(crate) fn parse(source: &str) -> Option<TaskId> {
        let (name, partition) = source.rsplit_once('/')?;
        let topic = Topic::ALL.iter().find(|topic| topic.name() == name)?;
        Some(TaskId {
            topic: *topic,
            partition: Partition(partition.parse().ok()?),
        })
    }

    /// The partition as Kafka counts them.
    pub(crate) fn number(self) -> i32 {
        i32::from(self.partition)
    }
}

/// What topics, groups and transactional ids are called: everything under one prefix.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    prefix: String,
    /// By the place of the topic in [`Topic::ALL`]; the last one is that of positions.
    topics: Vec<String>,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        let topics = Topic::ALL.iter().map(|topic| format!("{prefix}{topic}"));
        Self {
            prefix: prefix.to_owned(),
            topics: topics.chain([format!("{prefix}positions")]).collect(),
        }
    }

    /// The topic's name at the broker.
    pub(crate) fn topic(&self, source: Source) -> &str {
        let last = self.topics.len() - 1;
        let at = match source {
            Source::Log(topic) => Topic::ALL.iter().position(|one| *one == topic),
            Source::Positions => None,
        };
        &self.topics[at.unwrap_or(last)]
    }

    /// The group of the workers.
    pub(crate) fn group(&self) -> String {
        format!("{}engine", self.prefix)
    }

    /// The transactional id of a worker's slot.
    pub(crate) fn slot(&self, slot: u32) -> String {
        format!("{}engine-{slot}", self.prefix)
    }

    /// The transactional id of the appends of one process.
    pub(crate) fn appends(&self, member: &str) -> String {
        format!("{}append-{member}", self.prefix)
    }

    /// The transactional id of whoever moves the positions of one consumer.
    pub(crate) fn consumer(&self, name: &str) -> String {
        format!("{}publish-{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_source_names_a_place_or_none() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<(Topic, u16)>)] = &[
            ("user-events/7",      Some((Topic::UserEvents, 7))),
            ("product_new/0",      Some((Topic::ProductNew, 0))),
            ("outbox",             None),
            ("no-such-topic/1",    None),
            ("user-events/x",      None),
            ("user-events/70000",  None),
        ];
        for (source, want) in cases {
            let found = Place::parse(source).map(|task| (task.topic, task.partition.0));
            assert_eq!(found, *want, "{source}");
        }
    }

    #[test]
    fn every_topic_has_a_name_of_its_own() {
        let names = Names::new("shop-a.");
        let all: HashSet<&str> = Topic::ALL
            .iter()
            .map(|topic| names.topic(Source::Log(*topic)))
            .collect();
        assert_eq!(all.len(), Topic::ALL.len());
        assert_eq!(names.topic(Source::Positions), "shop-a.positions");
    }
}
