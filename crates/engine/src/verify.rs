//! The proof on the spot: does the stored state equal what a fresh engine makes of the same log?
//!
//! Every record of all stages' input topics is read again from the first position, through the
//! very operators that made the state, into empty memory. Then every stored value must equal the
//! recomputed one byte for byte, and what the stages published must be in the log exactly once.

use crate::error::EngineError;
use crate::options::{EngineOptions, Ports};
use crate::topology;
use rustc_hash::FxHashMap;
use serde::Serialize;
use std::collections::BTreeMap;
use vitrina_ports::PortError;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::state::{Space, StatePartition};
use vitrina_stream::{Operator, ShopStage, Task};
use vitrina_types::event::Counters;
use vitrina_types::partition::Partition;
use vitrina_types::record::{
    ProductEnvelope, ProductRecord, SlateEnvelope, SlateRecord, UserEnvelope, UserRecord,
};
use vitrina_types::state::UserValue;
use vitrina_types::stored;
use vitrina_types::topic::Topic;
use xxhash_rust::xxh3::xxh3_128;

/// Bytes read in one step.
const READ_BYTES: usize = 1_024 * 1_024;
/// Pairs read in one step.
const SCAN_PAGE: usize = 1_000;
/// Differences spelled out; all are counted.
const SPELLED_OUT_MAX: usize = 20;

/// Topics whose records the stages make, besides dead letters.
const OUTPUTS: [Topic; 8] = [
    Topic::UserEvents,
    Topic::ProductSignals,
    Topic::SlateSignals,
    Topic::RowSignals,
    Topic::WindowRows,
    Topic::LateEvents,
    Topic::FilteredProducts,
    Topic::FilteredEvents,
];

/// What a verification found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Verification {
    /// Records processed again.
    pub records: u64,
    /// Values compared.
    pub values: u64,
    /// Published records compared.
    pub outputs: u64,
    /// How many values or records differ.
    pub differences: u64,
    /// The first of them, in words.
    pub examples: Vec<String>,
    /// Events of all visitors by kind, as the stored state counts them.
    pub events: BTreeMap<String, u64>,
}

/// How often each record stands in a target partition, by its hash.
type Outputs = FxHashMap<(Topic, Partition, u128), i64>;

struct Verifier<'a> {
    ports: &'a Ports,
    found: Verification,
    outputs: Outputs,
    counters: Counters,
}

/// Recomputes everything from the log and compares. Call it on stores nobody is writing to, after
/// everything was applied.
///
/// # Errors
/// `Expired` when retention has removed the beginning of the log; the ports' errors.
pub async fn verify(ports: &Ports, options: &EngineOptions) -> Result<Verification, EngineError> {
    let mut verifier = Verifier {
        ports,
        found: Verification::default(),
        outputs: Outputs::default(),
        counters: Counters::default(),
    };
    for partition in Partition::all() {
        let users = topology::user_stage(options);
        let task = Task::new(users, partition);
        verifier.stage(Space::Users, task).await?;
        let products = topology::product_stage(options);
        let task = Task::new(products, partition);
        verifier.stage(Space::Products, task).await?;
        let slates = topology::slate_stage(options);
        let task = Task::new(slates, partition);
        verifier.stage(Space::Slates, task).await?;
        let rows = topology::row_stage(options);
        let task = Task::new(rows, partition);
        verifier.stage(Space::Rows, task).await?;
        let task = Task::new(ShopStage, partition);
        verifier.stage(Space::Shop, task).await?;
    }
    verifier.recorded_outputs().await?;
    let mut found = verifier.found;
    let counted = verifier.counters.iter();
    found.events = counted.map(|(name, n)| (name.to_owned(), n)).collect();
    Ok(found)
}

impl Verifier<'_> {
    fn differs(&mut self, what: String) {
        self.found.differences += 1;
        if self.found.examples.len() < SPELLED_OUT_MAX {
            self.found.examples.push(what);
        }
    }

    /// Runs one task over its whole input and compares its state.
    async fn stage<O: Operator>(
        &mut self,
        space: Space,
        mut task: Task<O>,
    ) -> Result<(), EngineError> {
        let partition = task.partition();
        let at = StatePartition { space, partition };
        let end = self.ports.state.get_many(at, &[]).await?.position;
        let cannot = |reason: String| EngineError::CannotStart { reason };
        task.assign(0, 0).map_err(|e| cannot(e.to_string()))?;
        let mut fresh: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        while task.position() < end {
            let from = task.position();
            let log = &self.ports.log;
            let bounds = log.bounds(O::INPUT, partition);
            let mut records = log.read(O::INPUT, partition, from, READ_BYTES).await?;
            if records.is_empty() && bounds.end < end {
                let what = format!("{}/{}@{from}", O::INPUT, partition.0);
                return Err(PortError::Damaged { what }.into());
            }
            records.retain(|record| record.offset < end);
            if records.is_empty() {
                // Nothing but what transactions leave behind.
                task.skip_to(end);
                break;
            }
            for key in task.accept(records.iter().map(|r| (r.offset, &r.bytes[..]))) {
                let value = fresh.get(&key).cloned();
                let loaded = task.load(key, value.as_deref());
                loaded.map_err(|e| cannot(e.to_string()))?;
            }
            task.process();
            let applied = records.iter().filter(|r| r.offset < task.position());
            self.found.records += applied.count() as u64;
            for output in task.take_outputs() {
                for record in output.records() {
                    let target = (output.topic, output.partition, xxh3_128(record));
                    *self.outputs.entry(target).or_insert(0) += 1;
                }
            }
            task.take_changes(&mut |key, _, bytes| match bytes {
                Some(bytes) => drop(fresh.insert(key.to_owned(), bytes)),
                None => drop(fresh.remove(key)),
            });
        }
        self.compare(at, fresh).await
    }

    async fn compare(
        &mut self,
        at: StatePartition,
        mut fresh: BTreeMap<String, Vec<u8>>,
    ) -> Result<(), EngineError> {
        let name = format!("{}/{}", at.space.name(), at.partition.0);
        let mut after: Option<String> = None;
        loop {
            let page = self.ports.state.scan(at, after.as_deref(), SCAN_PAGE);
            let page = page.await?.values;
            let Some(last) = page.last() else { break };
            after = Some(last.0.clone());
            for (key, stored) in &page {
                self.found.values += 1;
                self.count(at.space, stored);
                match fresh.remove(key) {
                    Some(value) if value[..] == stored[..] => {}
                    Some(_) => self.differs(format!("{name}: {key} differs")),
                    None => self.differs(format!("{name}: {key} should not be there")),
                }
            }
        }
        for key in fresh.into_keys() {
            self.differs(format!("{name}: {key} is missing"));
        }
        Ok(())
    }

    fn count(&mut self, space: Space, value: &[u8]) {
        if space == Space::Users
            && let Ok(UserValue::State(state)) = stored::decode::<UserValue>(value)
        {
            self.counters.merge(&state.counters);
        }
    }

    /// Takes what stands in the log from what was recomputed: nothing must be left either way.
    async fn recorded_outputs(&mut self) -> Result<(), EngineError> {
        for topic in OUTPUTS {
            for partition in Partition::all() {
                self.recorded(topic, partition).await?;
            }
        }
        let left: Vec<String> = self
            .outputs
            .iter()
            .filter(|((topic, _, _), left)| **left != 0 && *topic != Topic::DeadLetters)
            .map(|((topic, partition, _), left)| {
                let how = if *left > 0 {
                    "missing"
                } else {
                    "there once too often"
                };
                format!("{topic}/{}: an output is {how} ({left:+})", partition.0)
            })
            .collect();
        for what in left {
            self.differs(what);
        }
        Ok(())
    }

    async fn recorded(&mut self, topic: Topic, partition: Partition) -> Result<(), EngineError> {
        let log: &dyn EventLog = &*self.ports.log;
        let end: Offset = log.bounds(topic, partition).end;
        let mut from = 0;
        while from < end {
            let records = log.read(topic, partition, from, READ_BYTES).await?;
            let Some(last) = records.last() else { break };
            from = last.offset + 1;
            for record in records.iter().filter(|r| is_output(topic, &r.bytes)) {
                self.found.outputs += 1;
                let target = (topic, partition, xxh3_128(&record.bytes));
                *self.outputs.entry(target).or_insert(0) -= 1;
            }
        }
        Ok(())
    }
}

/// Whether a record was made by a stage, not by intake, relay or clock.
fn is_output(topic: Topic, bytes: &[u8]) -> bool {
    match topic {
        Topic::UserEvents => stored::decode::<UserEnvelope>(bytes).is_ok_and(|envelope| {
            !matches!(
                envelope.record,
                UserRecord::Event(_) | UserRecord::Astray(_) | UserRecord::Tick
            )
        }),
        Topic::ProductSignals => stored::decode::<ProductEnvelope>(bytes).is_ok_and(|envelope| {
            !matches!(
                envelope.record,
                ProductRecord::Upsert { .. }
                    | ProductRecord::Delete { .. }
                    | ProductRecord::Ban { .. }
                    | ProductRecord::Tick
            )
        }),
        Topic::SlateSignals => stored::decode::<SlateEnvelope>(bytes).is_ok_and(|envelope| {
            !matches!(envelope.record, SlateRecord::Shown(_) | SlateRecord::Tick)
        }),
        _ => true,
    }
}
