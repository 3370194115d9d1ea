//! All stages over a log and a store in memory, without a broker, a thread or a clock.
//!
//! In the manner of Kafka's `TopologyTestDriver`: pipe records in, let time advance, run until
//! nothing moves, read what came out. It publishes and commits in the order the engine does, so
//! a crash between the two can be played through with [`Driver::crash`].

use crate::operator::Operator;
use crate::options::{ProductOptions, UserOptions};
use crate::product::ProductStage;
use crate::resident::RESIDENT_PREFIX;
use crate::rows::RowStage;
use crate::task::Task;
use crate::user::UserStage;
use std::collections::BTreeMap;
use vitrina_types::event::{anonymous_key, user_key};
use vitrina_types::id::{AnonymousId, ProductId, UserId};
use vitrina_types::partition::Partition;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope, UserRecord};
use vitrina_types::record::{RowEnvelope, RowRecord};
use vitrina_types::state::{ProductKey, ProductState, ProductValue};
use vitrina_types::state::{TaskState, UserState, UserValue};
use vitrina_types::stored::{self, Stored};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Every stored value, by name of the stage, partition and key. Empty partitions are left out.
pub type Snapshot = BTreeMap<(&'static str, Partition), BTreeMap<String, Vec<u8>>>;

/// An append-only log: the offset of a record is its place.
type Log = BTreeMap<(Topic, Partition), Vec<Vec<u8>>>;

/// The state of one partition and the positions S and O that go with it.
#[derive(Default)]
struct Store {
    values: BTreeMap<String, Vec<u8>>,
    state_position: u64,
    published: u64,
}

/// One stage: its tasks, made when first needed, and its store.
struct Stage<O: Operator> {
    operator: O,
    tasks: BTreeMap<Partition, Task<O>>,
    stores: BTreeMap<Partition, Store>,
    hot_keys_max: usize,
}

/// All stages, a log and a store.
pub struct Driver {
    log: Log,
    users: Stage<UserStage>,
    products: Stage<ProductStage>,
    rows: Stage<RowStage>,
    batch: usize,
}

impl Default for Driver {
    fn default() -> Self {
        Self::new(UserOptions::default(), ProductOptions::default())
    }
}

impl Driver {
    /// An empty log and an empty store. The row stage has the row options of the product stage.
    pub fn new(user: UserOptions, product: ProductOptions) -> Self {
        Self {
            log: Log::new(),
            users: Stage::new(UserStage { options: user }),
            rows: Stage::new(RowStage {
                options: product.rows.clone(),
            }),
            products: Stage::new(ProductStage { options: product }),
            batch: 100,
        }
    }

    /// The same driver with at most `records` in a batch, at least 1; 100 if not said.
    #[must_use]
    pub fn with_batch(mut self, records: usize) -> Self {
        self.batch = records.max(1);
        self
    }

    /// The same driver with room for `limit` keys in each task's memory.
    #[must_use]
    pub fn with_hot_keys_max(mut self, limit: usize) -> Self {
        self.users.hot_keys_max = limit;
        self.products.hot_keys_max = limit;
        self.rows.hot_keys_max = limit;
        self
    }

    /// Appends stored bytes to a topic, as they are.
    pub fn append(&mut self, topic: Topic, partition: Partition, bytes: Vec<u8>) {
        self.log.entry((topic, partition)).or_default().push(bytes);
    }

    /// Appends a record to the partition of its visitor; one without a visitor (a tick) to all.
    pub fn pipe_in(&mut self, envelope: &UserEnvelope) {
        let id = envelope.record.partition_id();
        self.pipe(Topic::UserEvents, id.map(Partition::of), envelope);
    }

    /// Appends a record to the partition of its product; what tells how far a task upstream has
    /// come to the first, a tick to all.
    pub fn pipe_in_product(&mut self, envelope: &ProductEnvelope) {
        let id = envelope.record.partition_id();
        let partition = match &envelope.record {
            ProductRecord::Upstream(_) => Some(Partition(0)),
            _ => id.map(|id| Partition::of(&id)),
        };
        self.pipe(Topic::ProductSignals, partition, envelope);
    }

    /// Appends a record to the partition of its row; what tells how far a task upstream has come
    /// to the first, what all of them have reached to all.
    pub fn pipe_in_rows(&mut self, envelope: &RowEnvelope) {
        let partition = match &envelope.record {
            RowRecord::Part { key, .. } => Some(key.partition()),
            RowRecord::Upstream(_) => Some(Partition(0)),
            RowRecord::Reached(_) | RowRecord::Continue => None,
        };
        self.pipe(Topic::RowSignals, partition, envelope);
    }

    fn pipe<T: Stored>(&mut self, topic: Topic, partition: Option<Partition>, record: &T) {
        let bytes = stored::encode(record);
        match partition {
            Some(partition) => self.append(topic, partition, bytes),
            None => Partition::all().for_each(|p| self.append(topic, p, bytes.clone())),
        }
    }

    /// Sends a tick to every partition of both stages.
    pub fn advance_time(&mut self, now: IngestTime) {
        let backfill = false;
        self.pipe_in(&UserEnvelope {
            ingest_time: now,
            backfill,
            record: UserRecord::Tick,
        });
        self.pipe_in_product(&ProductEnvelope {
            ingest_time: now,
            backfill,
            record: ProductRecord::Tick,
        });
    }

    /// Runs until nothing moves; everything is then published and committed.
    pub fn run(&mut self) {
        while self.step() {}
        self.commit();
    }

    /// Processes and publishes at most one batch of each task, without a commit; answers whether
    /// there was anything to process.
    pub fn step(&mut self) -> bool {
        let users = self.users.step(&mut self.log, self.batch);
        let products = self.products.step(&mut self.log, self.batch);
        let rows = self.rows.step(&mut self.log, self.batch);
        users || products || rows
    }

    /// Commits the state of what was processed.
    pub fn commit(&mut self) {
        self.users.commit();
        self.products.commit();
        self.rows.commit();
    }

    /// Loses all memory: what is not committed is processed again, with outputs suppressed as
    /// far as they are published.
    pub fn crash(&mut self) {
        self.users.tasks.clear();
        self.products.tasks.clear();
        self.rows.tasks.clear();
    }

    /// Takes everything in the log for published: running then only rebuilds state. A whole log
    /// appended to a fresh driver this way gives the state of whoever wrote the log.
    pub fn mark_published(&mut self) {
        self.users.mark_published(&self.log);
        self.products.mark_published(&self.log);
        self.rows.mark_published(&self.log);
    }

    /// All records of a topic, by partition, then offset.
    pub fn records(&self, topic: Topic) -> impl Iterator<Item = (Partition, &[u8])> {
        let logs = self.log.iter().filter(move |((t, _), _)| *t == topic);
        logs.flat_map(|((_, p), records)| records.iter().map(|bytes| (*p, &bytes[..])))
    }

    /// All records of a topic that decode as `T`, by partition, then offset.
    pub fn decoded<T: Stored>(&self, topic: Topic) -> Vec<T> {
        let records = self.records(topic);
        records
            .filter_map(|(_, bytes)| stored::decode(bytes).ok())
            .collect()
    }

    /// The committed state, all of it.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        self.users.snapshot(&mut snapshot);
        self.products.snapshot(&mut snapshot);
        self.rows.snapshot(&mut snapshot);
        snapshot
    }

    /// The committed state of a user.
    pub fn user(&self, id: &UserId) -> Option<UserState> {
        self.visitor(Partition::of(id.as_str()), &user_key(id))
    }

    /// The committed state of an anonymous visitor.
    pub fn anonymous(&self, id: &AnonymousId) -> Option<UserState> {
        self.visitor(Partition::of(id.as_str()), &anonymous_key(id))
    }

    fn visitor(&self, partition: Partition, key: &str) -> Option<UserState> {
        match self.users.value::<UserValue>(partition, key)? {
            UserValue::State(state) => Some(*state),
            UserValue::Expiry(_) => None,
        }
    }

    /// The committed state of a product.
    pub fn product(&self, id: &ProductId) -> Option<ProductState> {
        match self.product_value(&ProductKey::Product(id.clone()))? {
            ProductValue::Product(product) => Some(*product),
            ProductValue::Category(_) | ProductValue::Ban { .. } => None,
        }
    }

    /// The committed value under a key of the product space.
    pub fn product_value(&self, key: &ProductKey) -> Option<ProductValue> {
        let partition = match key {
            ProductKey::Product(id) => Partition::of(id.as_str()),
            ProductKey::Category(category) => Partition::of(category),
            ProductKey::Ban(target) => Partition::of(&target.id()),
        };
        self.products.value(partition, &key.stored())
    }

    /// What the tasks of the user stage know of themselves, as committed.
    pub fn user_tasks(&self) -> BTreeMap<Partition, TaskState> {
        self.users.task_states()
    }

    /// The same of the product stage.
    pub fn product_tasks(&self) -> BTreeMap<Partition, TaskState> {
        self.products.task_states()
    }

    /// The same of the row stage.
    pub fn row_tasks(&self) -> BTreeMap<Partition, TaskState> {
        self.rows.task_states()
    }

    /// Windows and sessions open in memory now, by stage in the order records go.
    pub fn open(&self) -> [usize; 3] {
        [self.users.open(), self.products.open(), self.rows.open()]
    }
}

impl<O: Operator + Clone> Stage<O> {
    fn new(operator: O) -> Self {
        Self {
            operator,
            tasks: BTreeMap::new(),
            stores: BTreeMap::new(),
            hot_keys_max: crate::HOT_KEYS_MAX,
        }
    }

    fn step(&mut self, log: &mut Log, batch: usize) -> bool {
        let mut moved = false;
        for partition in Partition::all() {
            let end = log.get(&(O::INPUT, partition)).map_or(0, Vec::len) as u64;
            let store = self.stores.entry(partition).or_default();
            let task = self.tasks.entry(partition).or_insert_with(|| {
                let task = Task::new(self.operator.clone(), partition);
                let mut task = task.with_hot_keys_max(self.hot_keys_max);
                let assigned = task.assign(store.state_position, store.published);
                debug_assert!(assigned.is_ok());
                for (key, value) in store.values.range(RESIDENT_PREFIX.to_owned()..) {
                    if !key.starts_with(RESIDENT_PREFIX) {
                        break;
                    }
                    let loaded = task.load(key.clone(), Some(value));
                    // The store holds only what a task encoded.
                    debug_assert!(loaded.is_ok());
                }
                task
            });
            if task.position() < end {
                step_task(task, store, log, batch);
                moved = true;
            }
        }
        moved
    }

    fn commit(&mut self) {
        for (partition, task) in &mut self.tasks {
            let store = self.stores.entry(*partition).or_default();
            task.take_changes(&mut |key, _, bytes| match bytes {
                Some(bytes) => {
                    store.values.insert(key.to_owned(), bytes);
                }
                None => {
                    store.values.remove(key);
                }
            });
            store.state_position = task.position();
        }
    }

    fn mark_published(&mut self, log: &Log) {
        for ((topic, partition), records) in log {
            if *topic == O::INPUT {
                let store = self.stores.entry(*partition).or_default();
                store.published = store.published.max(records.len() as u64);
            }
        }
        self.tasks.clear();
    }

    fn value<V: Stored>(&self, partition: Partition, key: &str) -> Option<V> {
        let bytes = self.stores.get(&partition)?.values.get(key)?;
        stored::decode(bytes).ok()
    }

    fn open(&self) -> usize {
        self.tasks.values().map(Task::open).sum()
    }

    fn task_states(&self) -> BTreeMap<Partition, TaskState> {
        let partitions = self.stores.keys();
        partitions
            .filter_map(|&p| Some((p, self.value(p, TaskState::KEY)?)))
            .collect()
    }

    fn snapshot(&self, snapshot: &mut Snapshot) {
        for (&partition, store) in &self.stores {
            if !store.values.is_empty() {
                snapshot.insert((O::NAME, partition), store.values.clone());
            }
        }
    }
}

/// One batch of one task: read, load, process, publish.
fn step_task<O: Operator>(task: &mut Task<O>, store: &mut Store, log: &mut Log, batch: usize) {
    let records = log.get(&(O::INPUT, task.partition()));
    let records = records.map_or(&[][..], Vec::as_slice);
    let offsets = (0u64..).zip(records);
    let unread = offsets.skip(task.position() as usize).take(batch);
    let missing = task.accept(unread.map(|(offset, bytes)| (offset, &bytes[..])));
    for key in missing {
        let value = store.values.get(&key).map(Vec::as_slice);
        let loaded = task.load(key, value);
        // The store holds only what a task encoded.
        debug_assert!(loaded.is_ok());
    }
    task.process();
    for output in task.take_outputs() {
        let target = log.entry((output.topic, output.partition)).or_default();
        target.extend(output.records().map(<[u8]>::to_vec));
    }
    store.published = store.published.max(task.position());
}
