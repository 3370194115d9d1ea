//! What must hold, whatever happens.
//!
//! 1. State at S is the fold of the input up to S: every accepted event is in it exactly once.
//! 2. What a committed reader sees of a task's outputs is a prefix of what the fold sends, in
//!    order, each exactly once; and nobody else sends anything.
//! 3. S never passes O, and positions never go back, but for a lost tail of the store.
//! 4. Once faults stop, everything is processed and no transaction is open.

use super::oracle::{Folded, Target, Version, fold};
use super::world::{World, consumer_of, state_of, tasks};
use crate::options::EngineOptions;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use vitrina_ports::broker::Isolation;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::seat::TaskId;
use vitrina_ports::state::{StatePartition, Versioned};

/// What a partition of the store holds.
type Stored = Versioned<Vec<(String, Bytes)>>;

/// Switches of options so far: from when on, by task.
#[derive(Default)]
pub(super) struct Switches {
    /// Positions where the first options ended, by task; empty before the switch.
    pub(super) at: BTreeMap<TaskId, Offset>,
    /// Options before the switch, where there was one.
    pub(super) before: Option<EngineOptions>,
}

impl Switches {
    fn versions<'a>(&'a self, task: TaskId, now: &'a EngineOptions) -> Vec<Version<'a>> {
        let old = self
            .before
            .as_ref()
            .map(|options| Version { from: 0, options });
        let from = self.at.get(&task).copied().unwrap_or(0);
        old.into_iter()
            .chain([Version { from, options: now }])
            .collect()
    }
}

/// Positions seen so far, which must not go back.
#[derive(Default)]
pub(super) struct Seen {
    published: BTreeMap<TaskId, Offset>,
}

/// Law 3, cheap enough for every step.
pub(super) fn positions(world: &World, seen: &mut Seen) -> Result<(), String> {
    for known in &world.known {
        let task = known.task;
        let s = world.state.position(known.state);
        let o = world.broker.committed_position(&known.consumer);
        if o.is_none() && world.positions_lost {
            continue;
        }
        let o = o.unwrap_or(0);
        if s > o {
            return Err(format!("law 3: {task:?}: S={s} > O={o}"));
        }
        let before = seen.published.insert(task, o).unwrap_or(0);
        if o < before {
            return Err(format!("law 3: {task:?}: O went back from {before} to {o}"));
        }
    }
    Ok(())
}

/// Laws 1 and 2 as things stand. `is_over`: nothing is on its way, so prefixes are whole.
pub(super) fn folds(world: &World, switches: &Switches, is_over: bool) -> Result<(), String> {
    let mut sources: BTreeMap<Target, Vec<Vec<Bytes>>> = BTreeMap::new();
    for (target, arrived) in &world.arrived {
        sources.entry(*target).or_default().push(arrived.clone());
    }
    let dump: BTreeMap<StatePartition, Stored> = world.state.dump().into_iter().collect();
    for task in tasks() {
        let records = world.records(task.topic, task.partition);
        let versions = switches.versions(task, &world.options);
        let stands = dump.get(&state_of(task));
        let s = stands.map_or(0, |stored| stored.position);
        let so_far = fold(task, &versions, &records, s);
        let values = stands.map_or(&[][..], |stored| &stored.values);
        state(task, s, values, so_far)?;
        let whole = fold(task, &versions, &records, Offset::MAX);
        for (target, outputs) in whole.outputs {
            sources.entry(target).or_default().push(outputs);
        }
    }
    for (target, expected) in sources {
        outputs(world, target, &expected, is_over)?;
    }
    Ok(())
}

/// Law 1.
fn state(task: TaskId, s: Offset, values: &[(String, Bytes)], want: Folded) -> Result<(), String> {
    let found: BTreeMap<&str, &[u8]> = values.iter().map(|(key, v)| (&**key, &v[..])).collect();
    let want: BTreeMap<&str, &[u8]> = want
        .values
        .iter()
        .map(|(key, v)| (&**key, &v[..]))
        .collect();
    let mut keys = found.keys().chain(want.keys());
    match keys.find(|key| found.get(*key) != want.get(*key)) {
        Some(key) => Err(format!(
            "law 1: {task:?}: state at S={s} is not the fold of the log: {key} ({} bytes, want {})",
            found.get(key).map_or(0, |value| value.len()),
            want.get(key).map_or(0, |value| value.len()),
        )),
        None => Ok(()),
    }
}

/// Law 2: the target holds an interleaving of prefixes of what its sources send. Two sources may
/// send the same bytes, so every way to part them is followed.
fn outputs(
    world: &World,
    target: Target,
    sources: &[Vec<Bytes>],
    is_over: bool,
) -> Result<(), String> {
    let mut ways: BTreeSet<Vec<usize>> = BTreeSet::from([vec![0; sources.len()]]);
    for (offset, record) in world.records(target.0, target.1) {
        let mut next = BTreeSet::new();
        for taken in &ways {
            for (place, source) in sources.iter().enumerate() {
                if source.get(taken[place]) == Some(&record) {
                    let mut more = taken.clone();
                    more[place] += 1;
                    next.insert(more);
                }
            }
        }
        if next.is_empty() {
            return Err(format!(
                "law 2: {target:?}: the record at {offset} is nobody's next output"
            ));
        }
        ways = next;
    }
    let whole: Vec<usize> = sources.iter().map(Vec::len).collect();
    if is_over && !ways.contains(&whole) {
        return Err(format!("law 2: {target:?}: outputs are missing"));
    }
    Ok(())
}

/// Law 4: whether everything is processed and nothing is open.
pub(super) fn is_quiet(world: &World) -> bool {
    let log = world.broker.reader(Isolation::Committed);
    let all = Isolation::Uncommitted;
    let all = world.broker.reader(all);
    let done = world.known.iter().all(|known| {
        let task = known.task;
        let end = log.bounds(task.topic, task.partition).end;
        let whole = all.bounds(task.topic, task.partition).end;
        let s = world.state.position(known.state);
        let o = world.broker.committed_position(&known.consumer);
        // A worker that goes on needs no O; one that starts refuses to without.
        let is_published = o.unwrap_or(0) == end || (o.is_none() && world.positions_lost);
        end == whole && s == end && is_published
    });
    done && !world.broker.has_open_transaction() && world.state.delayed_count() == 0
}

/// Where every task stands, in words.
pub(super) fn standing(world: &World) -> String {
    let log = world.broker.reader(Isolation::Committed);
    let each = tasks().into_iter().map(|task| {
        let end = log.bounds(task.topic, task.partition).end;
        let s = world.state.position(state_of(task));
        let o = world.broker.committed_position(&consumer_of(task));
        let owner = world.broker.owner(task);
        format!(
            "{}/{}: S={s} O={o:?} end={end} owner={owner:?}",
            task.topic, task.partition.0
        )
    });
    each.collect::<Vec<String>>().join("; ")
}
