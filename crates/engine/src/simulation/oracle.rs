//! What the log says must be: every task folded over its input alone, record by record, in one
//! go, by another worker, at another time.

use super::wrong::WrongOperator;
use crate::options::EngineOptions;
use crate::topology;
use bytes::Bytes;
use std::collections::BTreeMap;
use vitrina_ports::log::Offset;
use vitrina_ports::seat::TaskId;
use vitrina_stream::{Operator, RESIDENT_PREFIX, Task};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Values by key.
pub(super) type Values = BTreeMap<String, Vec<u8>>;

/// Where outputs go.
pub(super) type Target = (Topic, Partition);

/// What a fold came to.
#[derive(Default)]
pub(super) struct Folded {
    /// State before each switch of options and at the end.
    pub(super) values: Values,
    /// Outputs, by target, in order.
    pub(super) outputs: BTreeMap<Target, Vec<Bytes>>,
}

/// From this position on a task runs with these options.
pub(super) struct Version<'a> {
    pub(super) from: Offset,
    pub(super) options: &'a EngineOptions,
}

/// Folds a task's input up to `until`.
pub(super) fn fold(
    task: TaskId,
    versions: &[Version<'_>],
    records: &[(Offset, Bytes)],
    until: Offset,
) -> Folded {
    match task.topic {
        Topic::UserEvents => fold_with(task, versions, records, until, topology::user_stage),
        Topic::ProductSignals => fold_with(task, versions, records, until, topology::product_stage),
        _ => fold_with(task, versions, records, until, topology::row_stage),
    }
}

fn fold_with<O: Operator>(
    id: TaskId,
    versions: &[Version<'_>],
    records: &[(Offset, Bytes)],
    until: Offset,
    make: impl Fn(&EngineOptions) -> O,
) -> Folded {
    let mut folded = Folded::default();
    for (number, version) in versions.iter().enumerate() {
        let end = versions
            .get(number + 1)
            .map_or(until, |next| next.from.min(until));
        let operator = WrongOperator::right(make(version.options));
        let mut task = Task::new(operator, id.partition);
        task.assign(version.from, version.from).unwrap();
        for (key, value) in folded.values.range(RESIDENT_PREFIX.to_owned()..) {
            if key.starts_with(RESIDENT_PREFIX) {
                task.load(key.clone(), Some(value)).unwrap();
            }
        }
        let mine = |offset: Offset| version.from <= offset && offset < end;
        for (offset, bytes) in records.iter().filter(|(offset, _)| mine(*offset)) {
            step(&mut task, *offset, bytes, &mut folded);
        }
    }
    folded
}

fn step<O: Operator>(task: &mut Task<O>, offset: Offset, bytes: &Bytes, folded: &mut Folded) {
    for key in task.accept(std::iter::once((offset, &bytes[..]))) {
        let value = folded.values.get(&key).cloned();
        task.load(key, value.as_deref()).unwrap();
    }
    task.process();
    for output in task.take_outputs() {
        let target = (output.topic, output.partition);
        let sent = output.records().map(Bytes::copy_from_slice);
        folded.outputs.entry(target).or_default().extend(sent);
    }
    task.take_changes(&mut |key, _, value| {
        match value {
            Some(value) => folded.values.insert(key.to_owned(), value),
            None => folded.values.remove(key),
        };
    });
}
