//! A seat's membership of the group: which tasks it has, and who it is when it sends positions.
//!
//! The coordinator checks member and generation, never who owns a partition: positions of a
//! partition that was lost are accepted under a membership learnt since. So what is sent with
//! positions is the metadata captured when the assignment was learnt, and it counts only while
//! nothing has changed since. The library learns nothing newer before what it told was acted
//! upon; where it lost the membership meanwhile, it says so, and nothing is captured.
//!
//! What is shared out is partitions of the first topic. With each goes the partition of the same
//! number of every other topic: the library's assignors balance partitions, whatever topic they are
//! of, and after members have come one by one all of a busy topic may be with one of them.
//!
//! A revoked partition is given up to the group only once it is released.

use crate::client;
use crate::failure::{closed, failed, is_refusal};
use crate::log::{checked, position};
use crate::options::KafkaOptions;
use crate::patience::patiently;
use crate::place::{Names, Source};
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use rdkafka::types::RDKafkaRespErr;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::seat::{Assignment, TaskId};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// What the group told, not acted upon yet.
enum Told {
    Assign(TopicPartitionList),
    Revoke(TopicPartitionList),
    Lost(TopicPartitionList),
}

/// Notes what the group tells. The library waits until it is acted upon.
#[derive(Default)]
struct Notes {
    told: Mutex<VecDeque<Told>>,
    /// The consumer is being closed: whatever is revoked is given up at once.
    is_closing: AtomicBool,
}

impl ClientContext for Notes {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        client::tell(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "member of a group of kafka");
    }
}

impl ConsumerContext for Notes {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let is_assign = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.is_closing.load(Ordering::Acquire) {
            let done = match is_assign {
                true => consumer.incremental_assign(list),
                false => consumer.incremental_unassign(list),
            };
            if let Err(error) = done {
                tracing::debug!(%error, "left a group of kafka");
            }
            return;
        }
        let told = match is_assign {
            true => Told::Assign(list.clone()),
            false if consumer.assignment_lost() => Told::Lost(list.clone()),
            false => Told::Revoke(list.clone()),
        };
        self.told.lock().push_back(told);
    }
}

/// Partitions that the group wants back.
struct Revoked {
    list: TopicPartitionList,
    kept: HashSet<TaskId>,
    since: Instant,
}

/// The group as one member sees it.
pub(super) struct Group {
    options: KafkaOptions,
    names: Names,
    name: String,
    topics: Vec<Topic>,
    consumer: Option<BaseConsumer<Notes>>,
    has_joined: bool,
    /// Rises with every change; a captured membership counts while it is this one.
    generation: u64,
    captured: Option<ConsumerGroupMetadata>,
    revoked: Option<Revoked>,
    changes: Vec<Assignment>,
    /// What the group does not let us do, not told yet.
    refusal: Option<PortError>,
}

impl Group {
    pub(super) fn new(options: &KafkaOptions, name: String, topics: Vec<Topic>) -> Self {
        Self {
            names: Names::new(&options.prefix),
            options: options.clone(),
            name,
            topics,
            consumer: None,
            has_joined: false,
            generation: 0,
            captured: None,
            revoked: None,
            changes: Vec::new(),
            refusal: None,
        }
    }

    fn consumer(&mut self) -> Result<&BaseConsumer<Notes>, PortError> {
        if self.consumer.is_none() {
            let config = client::sitting(&self.options, &self.names.group());
            self.consumer = Some(client::create(&config, Notes::default())?);
            self.has_joined = false;
        }
        self.consumer.as_ref().ok_or_else(closed)
    }

    /// Joins the group where that was not done.
    pub(super) fn join(&mut self) -> Result<(), PortError> {
        let lead = self.topics.first().ok_or_else(|| PortError::Invalid {
            what: "a seat without topics".to_owned(),
            expected: "at least one",
        })?;
        let lead = self.names.topic(Source::Log(*lead)).to_owned();
        // A new consumer has not joined, whatever the one before it had.
        self.consumer()?;
        let has_joined = self.has_joined;
        let consumer = self.consumer()?;
        if !has_joined {
            consumer
                .subscribe(&[&lead])
                .map_err(|error| failed("join the group", &error))?;
            self.has_joined = true;
        }
        Ok(())
    }

    /// Hears what the group says. Must be called often: it is the sign of life.
    pub(super) fn hear(&mut self) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        if !self.has_joined {
            return;
        }
        while let Some(result) = consumer.poll(Duration::ZERO) {
            // Partitions are paused: a record that slipped through is nobody's.
            if let Err(error) = result {
                tracing::debug!(%error, "member of a group of kafka");
                if error.rdkafka_error_code().is_some_and(is_refusal) {
                    let doing = format!("join the group {}", self.names.group());
                    self.refusal = Some(failed(&doing, &error));
                }
            }
        }
        let is_over = consumer.client().fatal_error().is_some();
        let told: Vec<Told> = consumer.context().told.lock().drain(..).collect();
        for one in told {
            match one {
                Told::Assign(list) => self.assigned(list),
                Told::Revoke(list) => self.revoke(list),
                Told::Lost(list) => self.lost(Some(&list)),
            }
        }
        if is_over {
            self.give_up("the member cannot go on");
        }
        let limit = self.options.release_timeout;
        if self
            .revoked
            .as_ref()
            .is_some_and(|revoked| revoked.since.elapsed() > limit)
        {
            self.give_up("revoked tasks were not released in time");
        }
    }

    /// That the broker does not let us be a member: the library goes on asking, nobody else would
    /// say so.
    pub(super) fn refusal(&mut self) -> Result<(), PortError> {
        self.refusal.take().map_or(Ok(()), Err)
    }

    /// What changed since the last answer, and the generation while there is a membership.
    pub(super) fn changes(&mut self) -> (Vec<Assignment>, Option<u64>) {
        let changes = std::mem::take(&mut self.changes);
        (changes, self.captured.as_ref().map(|_| self.generation))
    }

    /// The metadata captured with `generation`.
    ///
    /// # Errors
    /// `Fenced` when anything has changed since.
    pub(super) fn metadata(
        &self,
        generation: Option<u64>,
    ) -> Result<&ConsumerGroupMetadata, PortError> {
        let is_lost = self
            .consumer
            .as_ref()
            .is_none_or(|one| one.assignment_lost());
        match &self.captured {
            Some(metadata) if generation == Some(self.generation) && !is_lost => Ok(metadata),
            _ => Err(PortError::Fenced {
                what: self.name.clone(),
                detail: "the group has gone on since the batch began".to_owned(),
            }),
        }
    }

    fn assigned(&mut self, mut list: TopicPartitionList) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        // Where it would begin to read does not matter, it never does.
        let prepared = list.set_all_offsets(At::End);
        let done = prepared.and_then(|()| {
            consumer.incremental_assign(&list)?;
            consumer.pause(&list)
        });
        if let Err(error) = done {
            tracing::warn!(%error, "an assignment was not taken");
            self.give_up("an assignment was not taken");
            return;
        }
        let tasks = self.tasks(&list);
        if !tasks.is_empty() {
            self.changes.push(Assignment::Assigned(tasks));
        }
        self.capture();
    }

    fn revoke(&mut self, list: TopicPartitionList) {
        let tasks = self.tasks(&list);
        if tasks.is_empty() {
            self.unassign(&list);
            return;
        }
        self.changes.push(Assignment::Revoked(tasks.clone()));
        self.revoked = Some(Revoked {
            list,
            kept: tasks.into_iter().collect(),
            since: Instant::now(),
        });
        self.capture();
    }

    /// Takes back revoked tasks; with the last of them the group may go on.
    pub(super) fn release(&mut self, tasks: &[TaskId]) {
        let Some(revoked) = &mut self.revoked else {
            return;
        };
        for task in tasks {
            revoked.kept.remove(task);
        }
        if revoked.kept.is_empty()
            && let Some(Revoked { list, .. }) = self.revoked.take()
        {
            self.unassign(&list);
        }
    }

    fn unassign(&mut self, list: &TopicPartitionList) {
        let Some(consumer) = &self.consumer else {
            return;
        };
        if let Err(error) = consumer.incremental_unassign(list) {
            tracing::warn!(%error, "partitions were not given up");
            self.give_up("partitions were not given up");
        }
    }

    /// The group has gone on without this member.
    fn lost(&mut self, list: Option<&TopicPartitionList>) {
        self.captured = None;
        self.generation += 1;
        self.revoked = None;
        // What it was told of before, and may not have learnt yet, is void.
        self.changes = vec![Assignment::Lost];
        if let Some(list) = list {
            self.unassign(list);
        }
    }

    /// Leaves the group as if it had thrown us out; the next [`join`](Self::join) comes back.
    pub(super) fn give_up(&mut self, why: &str) {
        tracing::warn!(member = self.name, why, "left the group");
        self.close();
        self.lost(None);
    }

    /// Whether it owns anything, or may believe so.
    pub(super) fn is_member(&self) -> bool {
        self.captured.is_some()
    }

    pub(super) fn close(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            consumer.context().is_closing.store(true, Ordering::Release);
            // What was told and not acted upon would keep the library from closing.
            for told in consumer.context().told.lock().drain(..) {
                let done = match told {
                    Told::Assign(list) => consumer.incremental_assign(&list),
                    Told::Revoke(list) | Told::Lost(list) => consumer.incremental_unassign(&list),
                };
                if let Err(error) = done {
                    tracing::debug!(%error, "left a group of kafka");
                }
            }
            if let Some(revoked) = self.revoked.take()
                && let Err(error) = consumer.incremental_unassign(&revoked.list)
            {
                tracing::debug!(%error, "left a group of kafka");
            }
        }
        self.has_joined = false;
    }

    /// Captures who we are, now that what the group told was acted upon.
    fn capture(&mut self) {
        self.generation += 1;
        self.captured = match &self.consumer {
            Some(consumer) => {
                let metadata = consumer.group_metadata();
                // Asked after it: metadata of nobody is never kept, since it would be accepted.
                let is_lost = consumer.assignment_lost();
                metadata.filter(|_| !is_lost)
            }
            None => None,
        };
    }

    /// The stable position committed for a task.
    pub(super) fn committed(&mut self, task: TaskId) -> Result<Option<Offset>, PortError> {
        let doing = &format!("ask for a committed position of {}", self.names.group());
        let limit = self.options.request_timeout + self.options.transaction_timeout;
        let mut list = TopicPartitionList::new();
        let name = self.names.topic(Source::Log(task.topic)).to_owned();
        list.add_partition(&name, i32::from(task.partition.0));
        let consumer = self.consumer()?;
        let found = patiently(limit, |left| {
            checked(consumer.committed_offsets(list.clone(), left)?)
        });
        let found = found.map_err(|error| failed(doing, &error))?;
        Ok(position(&found))
    }

    /// The tasks that partitions of the first topic stand for.
    fn tasks(&self, list: &TopicPartitionList) -> Vec<TaskId> {
        let elements = list.elements().into_iter();
        let numbers = elements.filter_map(|element| u16::try_from(element.partition()).ok());
        let tasks = numbers.flat_map(|number| {
            let topics = self.topics.iter().copied();
            let has_it = move |topic: &Topic| number < self.options.partitions_of(*topic);
            topics.filter(has_it).map(move |topic| TaskId {
                topic,
                partition: Partition(number),
            })
        });
        tasks.collect()
    }
}
