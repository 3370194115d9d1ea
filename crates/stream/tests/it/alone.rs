//! One task of any stage over one partition, stopped and started anywhere.

use std::collections::BTreeMap;
use vitrina_stream::{Operator, RESIDENT_PREFIX, Task};
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
use vitrina_types::stored::{self, Stored};
use vitrina_types::topic::Topic;

/// The partition, its log and its store. What the task sends to itself goes to its log.
pub(crate) struct Alone<O: Operator> {
    operator: O,
    partition: Partition,
    task: Option<Task<O>>,
    log: Vec<Vec<u8>>,
    store: BTreeMap<String, Vec<u8>>,
    state_position: u64,
    published: u64,
    sent: Vec<(Topic, Partition, Vec<u8>)>,
}

impl<O: Operator + Clone> Alone<O> {
    pub(crate) fn new(operator: O, partition: u16) -> Self {
        Self {
            operator,
            partition: Partition(partition),
            task: None,
            log: Vec::new(),
            store: BTreeMap::new(),
            state_position: 0,
            published: 0,
            sent: Vec::new(),
        }
    }

    pub(crate) fn push<T: Stored>(&mut self, record: &T) {
        self.log.push(stored::encode(record));
    }

    /// Puts a value that some release before left.
    pub(crate) fn put<T: Stored>(&mut self, key: &str, value: &T) {
        self.store.insert(key.to_owned(), stored::encode(value));
    }

    /// Processes and publishes at most `batch` records, without a commit; answers whether there
    /// were any.
    pub(crate) fn step(&mut self, batch: usize) -> bool {
        let store = &self.store;
        let task = self.task.get_or_insert_with(|| {
            let mut task = Task::new(self.operator.clone(), self.partition).with_hot_keys_max(3);
            task.assign(self.state_position, self.published).unwrap();
            let resident = store
                .iter()
                .filter(|(key, _)| key.starts_with(RESIDENT_PREFIX));
            // In any order: here the last first.
            for (key, value) in resident.rev() {
                task.load(key.clone(), Some(value)).unwrap();
            }
            task
        });
        let from = task.position() as usize;
        let unread = (0u64..).zip(&self.log).skip(from).take(batch);
        for key in task.accept(unread.map(|(offset, bytes)| (offset, &bytes[..]))) {
            let value = store.get(&key).map(Vec::as_slice);
            task.load(key, value).unwrap();
        }
        task.process();
        for output in task.take_outputs() {
            let records = output.records().map(<[u8]>::to_vec);
            if output.topic == O::INPUT && output.partition == self.partition {
                self.log.extend(records);
            } else {
                let sent = records.map(|bytes| (output.topic, output.partition, bytes));
                self.sent.extend(sent);
            }
        }
        self.published = self.published.max(task.position());
        task.position() as usize > from
    }

    pub(crate) fn commit(&mut self) {
        let Some(task) = &mut self.task else { return };
        task.take_changes(&mut |key, _, bytes| {
            assert!(key.len() <= 512, "{key} is too long for a state store");
            match bytes {
                Some(bytes) => self.store.insert(key.to_owned(), bytes),
                None => self.store.remove(key),
            };
        });
        self.state_position = task.position();
    }

    /// Loses all memory.
    pub(crate) fn crash(&mut self) {
        self.task = None;
    }

    /// Runs until nothing moves, in batches of 7, and commits each.
    pub(crate) fn run(&mut self) {
        while self.step(7) {
            self.commit();
        }
    }

    /// Runs until nothing moves; after each of `breaks` batches of so many records it commits or
    /// does not, and loses its memory.
    pub(crate) fn run_shaken(&mut self, breaks: &[(usize, bool)]) {
        for &(batch, commits) in breaks {
            self.step(batch);
            if commits {
                self.commit();
            }
            self.step(batch);
            self.crash();
        }
        self.run();
    }

    /// What was sent to a topic, in the order sent within each partition.
    pub(crate) fn sent<T: Stored>(&self, topic: Topic) -> Vec<(Partition, T)> {
        let sent = self.sent.iter().filter(|one| one.0 == topic);
        sent.map(|(_, partition, bytes)| (*partition, stored::decode(bytes).unwrap()))
            .collect()
    }

    /// Everything sent, sorted by topic and partition.
    pub(crate) fn all_sent(&self) -> Vec<(Topic, Partition, Vec<u8>)> {
        let mut sent = self.sent.clone();
        sent.sort_by_key(|(topic, partition, _)| (*topic, *partition));
        sent
    }

    /// The committed state.
    pub(crate) fn store(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.store
    }

    /// Committed keys but the task's own.
    pub(crate) fn keys(&self) -> Vec<&str> {
        let keys = self.store.keys().map(String::as_str);
        keys.filter(|key| *key != TaskState::KEY).collect()
    }

    pub(crate) fn task_state(&self) -> TaskState {
        let stored = self.store.get(TaskState::KEY);
        stored.map_or(TaskState::NEW, |bytes| stored::decode(bytes).unwrap())
    }
}
