//! One operator over one partition: what the engine drives.
//!
//! The law: state and outputs depend only on the records and their order, not on where batches
//! end, when changes are taken or how often the task starts again. What lies below the published
//! position is applied with its outputs suppressed, record by record.

use crate::operator::Operator;
use crate::outbox::{Outbox, Output};
use crate::resident::{RESIDENT_PREFIX, Resident};
use crate::working::Working;
use std::collections::BTreeMap;
use std::fmt;
use vitrina_types::event::Rejection;
use vitrina_types::partition::Partition;
use vitrina_types::state::TaskState;
use vitrina_types::stored::{self, StoredError};
use vitrina_types::time::IngestTime;

/// Keys one task keeps in memory after a commit, where nothing but clean ones is over.
pub const HOT_KEYS_MAX: usize = 16_384;

/// Once a batch has sent this much, the rest of it is not applied but read again: a log takes 64 MiB
/// at once, and a batch of small records that each tell what is due may lead to any number of bytes.
pub const OUTPUT_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A task was given positions that contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssignError {
    /// S: the position of the state.
    pub state_position: u64,
    /// O: the position up to which outputs are published.
    pub published: u64,
}

impl fmt::Display for AssignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, o) = (self.state_position, self.published);
        write!(
            f,
            "state stands at {s}, ahead of the published outputs at {o}"
        )
    }
}

impl std::error::Error for AssignError {}

/// Receives a change: key, value, stored form.
pub type EachChange<'a, V> = dyn FnMut(&str, Option<&V>, Option<Vec<u8>>) + 'a;

/// What was read and waits to be applied.
enum Accepted<R> {
    Record(R),
    /// Does not decode: its bytes, and why.
    Damaged(Box<[u8]>, Rejection),
    /// Was tried too often: its bytes, when it was taken in, how often.
    GivenUp(Box<[u8]>, IngestTime, u32),
}

/// One operator over one partition, with its memory.
pub struct Task<O: Operator> {
    operator: O,
    partition: Partition,
    position: u64,
    published: u64,
    working: Working<O::Value, O::Resident>,
    hot_keys_max: usize,
    /// `None` until loaded.
    task: Option<TaskState>,
    task_dirty: bool,
    /// Whether a record since the last changes taken is [awaited](Operator::is_awaited).
    is_awaited: bool,
    batch: Vec<(u64, Accepted<O::Record>)>,
    current: Option<u64>,
    /// Attempts made, by offset.
    given_up: BTreeMap<u64, u32>,
    out: Outbox,
    /// Keys of one record; kept for its memory.
    named: Vec<String>,
    /// One encoded value; kept for its memory, so that what is handed out has no spare room.
    scratch: Vec<u8>,
}

impl<O: Operator> Task<O> {
    /// A task that knows nothing and starts at position 0; [`Self::assign`] tells it more.
    pub fn new(operator: O, partition: Partition) -> Self {
        Self {
            operator,
            partition,
            position: 0,
            published: 0,
            working: Working::default(),
            hot_keys_max: HOT_KEYS_MAX,
            task: None,
            task_dirty: false,
            is_awaited: false,
            batch: Vec::new(),
            current: None,
            given_up: BTreeMap::new(),
            out: Outbox::new(O::INPUT, partition),
            named: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The same task with room for `limit` keys in memory, instead of [`HOT_KEYS_MAX`].
    #[must_use]
    pub fn with_hot_keys_max(mut self, limit: usize) -> Self {
        self.hot_keys_max = limit;
        self
    }

    /// The partition it reads, and whose state it writes.
    pub fn partition(&self) -> Partition {
        self.partition
    }

    /// Forgets everything but what was given up, and starts at S.
    ///
    /// * `state_position` — S, the next offset that is not in the stored state.
    /// * `published` — O, the next offset whose outputs are not published.
    ///
    /// # Errors
    /// [`AssignError`] when S > O; the task is then as it was.
    pub fn assign(&mut self, state_position: u64, published: u64) -> Result<(), AssignError> {
        if state_position > published {
            return Err(AssignError {
                state_position,
                published,
            });
        }
        self.position = state_position;
        self.published = published;
        self.working = Working::default();
        self.task = None;
        self.task_dirty = false;
        self.is_awaited = false;
        self.batch.clear();
        self.current = None;
        self.given_up = self.given_up.split_off(&state_position);
        self.out = Outbox::new(O::INPUT, self.partition);
        Ok(())
    }

    /// The next offset to read: what was accepted lies below it. [`Self::process`] moves it back
    /// to what it did not apply.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Moves the position over offsets that hold no record (a transaction's marker, a gap left
    /// by compaction); never back.
    pub fn skip_to(&mut self, position: u64) {
        self.position = self.position.max(position);
    }

    /// Takes a batch of (offset, stored form) in offset order and answers the keys that must be
    /// [loaded](Self::load) before [`Self::process`], sorted, each once. Offsets below the
    /// position are passed over: they were taken before. Bytes that do not decode become a dead
    /// letter when processed.
    pub fn accept<'a>(&mut self, records: impl Iterator<Item = (u64, &'a [u8])>) -> Vec<String> {
        let mut missing = Vec::new();
        if self.task.is_none() {
            missing.push(TaskState::KEY.to_owned());
        }
        for (offset, bytes) in records {
            if offset < self.position {
                continue;
            }
            self.position = offset + 1;
            let accepted = match (self.operator.decode(bytes), self.given_up.get(&offset)) {
                (Ok(record), None) => {
                    self.operator.keys(&record, &mut self.named);
                    let cold = self.named.drain(..).filter(|key| !self.working.touch(key));
                    missing.extend(cold);
                    Accepted::Record(record)
                }
                (Ok(record), Some(&attempts)) => {
                    let ingest_time = self.operator.ingest_time(&record);
                    Accepted::GivenUp(bytes.into(), ingest_time, attempts)
                }
                (Err(rejection), _) => Accepted::Damaged(bytes.into(), rejection),
            };
            self.batch.push((offset, accepted));
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Takes the stored value of a key that [`Self::accept`] named, `None` where there is none, or
    /// of one that begins with [`RESIDENT_PREFIX`]: those are all to be loaded after
    /// [`Self::assign`], before the first record. A key in memory already keeps its newer value.
    ///
    /// # Errors
    /// [`StoredError`] when the bytes do not decode.
    pub fn load(&mut self, key: String, value: Option<&[u8]>) -> Result<(), StoredError> {
        if key == TaskState::KEY {
            let loaded = value.map(stored::decode).transpose()?;
            self.task.get_or_insert(loaded.unwrap_or_default());
        } else if key.starts_with(RESIDENT_PREFIX) {
            if let Some(value) = value {
                self.working.resident.load(&key, value)?;
            }
        } else {
            let value = value.map(stored::decode).transpose()?;
            self.working.load(&key, value);
        }
        Ok(())
    }

    /// Applies what was accepted, up to the record with which its outputs reach
    /// [`OUTPUT_BYTES_MAX`]; the position then stands behind that record, and what was accepted
    /// beyond is to be read again. Every key named must have been loaded.
    ///
    /// When an operator panics, [`Self::current`] names the culprit and the memory is void:
    /// [`Self::assign`] before anything else.
    pub fn process(&mut self) {
        debug_assert!(self.task.is_some() || self.batch.is_empty());
        let mut task = self.task.unwrap_or_default();
        let mut batch = std::mem::take(&mut self.batch);
        for (offset, accepted) in batch.drain(..) {
            self.current = Some(offset);
            self.out.begin(offset, offset < self.published);
            match accepted {
                Accepted::Damaged(bytes, rejection) => {
                    let now = newest_ingest(&task);
                    self.out.dead_letter(now, rejection, 1, &bytes);
                }
                Accepted::GivenUp(bytes, ingest_time, attempts) => {
                    // It may have been the one that others wait for: whoever has something to
                    // tell sends another. One too many tells nothing twice.
                    task.continues = false;
                    let detail = format!("processing failed {attempts} times");
                    let rejection = Rejection::new("gave_up", "", detail);
                    self.out
                        .dead_letter(ingest_time, rejection, attempts, &bytes);
                }
                Accepted::Record(record) => {
                    self.is_awaited |= self.operator.is_awaited(&record);
                    let (working, out) = (&mut self.working, &mut self.out);
                    self.operator.apply(&record, working, &mut task, out);
                }
            }
            match self.out.take_rejected() {
                0 => task.applied += 1,
                rejected => task.rejected += rejected,
            }
            self.task_dirty = true;
            if self.out.bytes() >= OUTPUT_BYTES_MAX {
                self.position = offset + 1;
                break;
            }
        }
        // Kept for its memory.
        self.batch = batch;
        if self.task_dirty {
            self.task = Some(task);
        }
        self.current = None;
    }

    /// Offset of the record being applied: after a panic, the culprit.
    pub fn current(&self) -> Option<u64> {
        self.current
    }

    /// From now on the record at `offset` is not applied: a dead letter that says `attempts` is
    /// sent instead. Survives [`Self::assign`].
    pub fn give_up(&mut self, offset: u64, attempts: u32) {
        self.given_up.insert(offset, attempts);
    }

    /// Takes what was sent since the last call, by topic and partition.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        self.out.take()
    }

    /// Takes what changed since the last call, each key once, in the order they changed first,
    /// then what is resident, the task's own state last: `each(key, value, stored form)`, both
    /// `None` for a key that is gone, and no value for resident keys and [`TaskState::KEY`]. Call it once per commit, after the commit
    /// before it is done: keys clean since then may be forgotten here.
    pub fn take_changes(&mut self, each: &mut EachChange<'_, O::Value>) {
        if self.batch.is_empty() {
            self.working.evict(self.hot_keys_max);
        }
        let scratch = &mut self.scratch;
        self.working.take_changes(|key, value| {
            let bytes = value.map(|value| {
                scratch.clear();
                stored::encode_into(value, scratch);
                scratch.as_slice().to_vec()
            });
            each(key, value, bytes);
        });
        let resident = &mut self.working.resident;
        resident.take_changes(&mut |key, bytes| each(key, None, bytes));
        if let (true, Some(task)) = (self.task_dirty, &self.task) {
            each(TaskState::KEY, None, Some(stored::encode(task)));
        }
        self.task_dirty = false;
        self.is_awaited = false;
    }

    /// Whether somebody may be waiting for changes not yet [taken](Self::take_changes).
    pub fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Keys in memory.
    pub fn hot_keys(&self) -> usize {
        self.working.len()
    }

    /// Windows and sessions that are open.
    pub fn open(&self) -> usize {
        self.working.resident.open()
    }

    /// What the task knows of itself; empty before it is loaded.
    pub fn task_state(&self) -> &TaskState {
        static UNKNOWN: TaskState = TaskState::NEW;
        self.task.as_ref().unwrap_or(&UNKNOWN)
    }
}

/// The moment a record without one was given up: how far the task knows time has come.
fn newest_ingest(task: &TaskState) -> IngestTime {
    IngestTime(task.watermark.0.max(0))
}
