//! The log against a list of calls: random work, crashes, full disks, restarts.
//!
//! The law checked after each crash: what is found is what a prefix of the calls gives, in
//! records and positions alike, and the prefix holds every call that was acknowledged as durable.

use super::*;
use std::collections::BTreeMap;

type Place = (Topic, u16);

/// Everywhere the calls write to.
const PLACES: [Place; 4] = [(USERS, 0), (USERS, 1), (USERS, 31), (SIGNALS, 0)];
const SOURCES: [&str; 2] = ["user-events/0", "outbox"];

/// What a log holds, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Heads {
    ends: BTreeMap<Place, u64>,
    positions: BTreeMap<&'static str, u64>,
}

struct Call {
    records: Vec<(Place, String)>,
    heads_after: Heads,
}

/// One call to make.
#[derive(Debug, Clone)]
pub(super) struct Op {
    pub(super) records: Vec<(Place, Vec<String>)>,
    /// Which source to move and by how much; a call without one is an `append`.
    pub(super) moved: Option<(&'static str, u64)>,
    pub(super) durable: bool,
}

#[derive(Default)]
pub(super) struct Model {
    calls: Vec<Call>,
    /// Calls that were acknowledged as durable, and all before them.
    durable: usize,
    pub(super) what: String,
}

impl Model {
    /// No calls yet; `what` is said when a law is broken.
    pub(super) fn new(what: String) -> Self {
        Self {
            what,
            ..Self::default()
        }
    }

    fn heads(&self, calls: usize) -> Heads {
        let last = calls.checked_sub(1).map(|at| &self.calls[at]);
        last.map_or_else(Heads::default, |call| call.heads_after.clone())
    }

    fn found(machine: &Machine, log: &EmbeddedLog) -> Heads {
        let mut heads = Heads::default();
        for place in PLACES {
            let end = log.bounds(place.0, Partition(place.1)).end;
            if end > 0 {
                heads.ends.insert(place, end);
            }
        }
        for source in SOURCES {
            let position = machine.wait(log.committed(&consumer(source))).unwrap();
            if let Some(position) = position {
                heads.positions.insert(source, position);
            }
        }
        heads
    }

    fn texts(&self, place: Place) -> Vec<&str> {
        let records = self.calls.iter().flat_map(|call| &call.records);
        let here = records.filter(|(there, _)| *there == place);
        here.map(|(_, text)| text.as_str()).collect()
    }

    /// Makes a call and notes what became of it. Answers the error, if any.
    pub(super) fn call(
        &mut self,
        machine: &Machine,
        log: &EmbeddedLog,
        op: &Op,
    ) -> Option<PortError> {
        let before = self.heads(self.calls.len());
        let mut after = before.clone();
        let (mut batches, mut records, mut want) = (Vec::new(), Vec::new(), Vec::new());
        for (place, texts) in &op.records {
            batches.push(batch(place.0, place.1, texts));
            let end = after.ends.entry(*place).or_default();
            *end += texts.len() as u64;
            want.push(*end);
            records.extend(texts.iter().map(|text| (*place, text.clone())));
        }
        after.ends.retain(|_, end| *end > 0);
        let moved = op.moved.map(|(source, by)| {
            let expected = before.positions.get(source).copied();
            let next = expected.unwrap_or(0) + by;
            after.positions.insert(source, next);
            consumed(source, expected, next)
        });
        let result = match moved {
            Some(moved) => machine.wait(log.publish(batches, vec![moved], op.durable)),
            None => machine.wait(log.append(batches)),
        };
        let is_durable = op.durable || op.moved.is_none();
        let call = Call {
            records,
            heads_after: after.clone(),
        };
        match result {
            Ok(offsets) => {
                assert_eq!(offsets, want, "{}", self.what);
                self.calls.push(call);
                if is_durable {
                    self.durable = self.calls.len();
                }
                None
            }
            Err(error) => {
                // A durable call that fails after it was written is in doubt; others are not there.
                let found = Self::found(machine, log);
                if found != before {
                    assert_eq!(found, after, "{}: half a call", self.what);
                    assert!(is_durable, "{}: {error:?}", self.what);
                    assert!(!matches!(error, PortError::Full { .. }), "{}", self.what);
                    self.calls.push(call);
                }
                Some(error)
            }
        }
    }

    /// Compares everything the log holds with the model.
    pub(super) fn check(&self, machine: &Machine, log: &EmbeddedLog, step: usize) {
        let what = &self.what;
        let heads = self.heads(self.calls.len());
        assert_eq!(Self::found(machine, log), heads, "{what}");
        for place in PLACES {
            let start = log.bounds(place.0, Partition(place.1)).start as usize;
            let got = machine.texts(log, place.0, place.1, step);
            assert_eq!(got, self.texts(place)[start..], "{what}: {place:?}");
        }
    }

    /// After opening: the log is a prefix that holds all durable calls, and is durable itself.
    pub(super) fn reopened(&mut self, machine: &Machine, log: &EmbeddedLog) {
        let found = Self::found(machine, log);
        let prefix = (self.durable..=self.calls.len()).rev();
        let prefix = { prefix }.find(|&calls| self.heads(calls) == found);
        let Some(prefix) = prefix else {
            let (durable, calls) = (self.durable, self.calls.len());
            let what = &self.what;
            panic!("{what}: {found:?} is no prefix of {durable}..={calls} calls");
        };
        self.calls.truncate(prefix);
        self.durable = prefix;
        self.check(machine, log, 1_000);
    }
}

/// A seeded generator (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    pub(super) fn op(&mut self, number: usize) -> Op {
        let mut records = Vec::new();
        for part in 0..self.below(4) {
            let place = PLACES[self.below(4) as usize];
            let texts = (0..self.below(4)).map(|i| {
                let pad = match self.below(10) {
                    0 => 3_000 + self.below(6_000),
                    1 => 0,
                    _ => self.below(300),
                };
                format!("{number}.{part}.{i}{}", "x".repeat(pad as usize))
            });
            records.push((place, texts.collect()));
        }
        let moves = self.below(3) > 0;
        let source = SOURCES[self.below(2) as usize];
        Op {
            records,
            moved: moves.then(|| (source, 1 + self.below(5))),
            durable: self.below(4) == 0,
        }
    }

    pub(super) fn loss(&mut self) -> Loss {
        [Loss::Prefix, Loss::Pages, Loss::Nothing][self.below(3) as usize]
    }
}

/// A publish whose position is not the committed one changes nothing.
fn stale(machine: &Machine, log: &EmbeddedLog, model: &Model) {
    let found = model.heads(model.calls.len());
    let stale = found.positions.get("outbox").map_or(1, |at| at + 1);
    let moved = vec![consumed("outbox", Some(stale), stale + 1)];
    let refused = machine.wait(log.publish(vec![batch(USERS, 0, &["never"])], moved, true));
    let is_so = matches!(
        refused,
        Err(PortError::PositionMismatch { .. } | PortError::Full { .. })
    );
    assert!(is_so, "{}: {refused:?}", model.what);
}

fn options(dice: &mut Dice) -> LogOptions {
    LogOptions {
        segment_bytes: [2_000, 6_000, 20_000, 1 << 20][dice.below(4) as usize],
        tail_bytes: [0, 4_000, 1 << 20][dice.below(3) as usize],
        retention_bytes: 15_000,
        ..small()
    }
}

fn one_life(seed: u64, ops: usize) {
    let machine = Machine::new();
    let mut dice = Dice(seed);
    let mut model = Model::new(format!("seed {seed}"));
    let mut log = machine.open(options(&mut dice));
    for number in 0..ops {
        match dice.below(40) {
            0..=1 => {
                machine.faults.set_room(Some(dice.below(8_000)));
            }
            2..=4 => machine.faults.set_room(None),
            5 => {
                machine.crash(log, dice.loss(), dice.below(u64::MAX));
                machine.faults.set_room(None);
                log = machine.open(options(&mut dice));
                model.reopened(&machine, &log);
            }
            6 => {
                // The machine stops in the middle of one of the next calls.
                machine.faults.set_room(None);
                machine.power.stop_after(dice.below(12));
                while !machine.power.is_stopped() {
                    model.call(&machine, &log, &dice.op(number));
                    if dice.below(4) == 0 {
                        // Whether it comes to its end or not, the rest stays whole.
                        let _ = log.retain(0, &[]);
                    }
                }
                machine.crash(log, dice.loss(), dice.below(u64::MAX));
                machine.faults.set_room(None);
                log = machine.open(options(&mut dice));
                model.reopened(&machine, &log);
            }
            7 => {
                machine.faults.set_room(None);
                drop(log);
                log = machine.open(options(&mut dice));
                assert_eq!(log.healed(), None, "{}: a clean stop", model.what);
                model.durable = model.calls.len();
                model.reopened(&machine, &log);
            }
            8 => {
                machine.power.set_forgetful(true);
                model.call(&machine, &log, &dice.op(number));
                drop(log);
                machine.power.set_forgetful(false);
                machine.faults.set_room(None);
                log = machine.open(options(&mut dice));
                model.reopened(&machine, &log);
            }
            9 => model.check(&machine, &log, dice.below(2_000) as usize),
            10 => stale(&machine, &log, &model),
            11 => {
                let floor = log.bounds(USERS, Partition(0)).end.saturating_sub(10);
                let start = log.bounds(USERS, Partition(0)).start;
                log.retain(0, &[(USERS, Partition(0), floor)]).unwrap();
                let now = log.bounds(USERS, Partition(0)).start;
                assert!(now <= floor.max(start) && now >= start, "{}", model.what);
            }
            12 => assert!(log.verify().is_ok(), "{}", model.what),
            _ => {
                let error = model.call(&machine, &log, &dice.op(number));
                let is_full = matches!(error, None | Some(PortError::Full { .. }));
                assert!(is_full, "{}: {error:?}", model.what);
            }
        }
    }
    machine.faults.set_room(None);
    model.check(&machine, &log, 500);
}

/// `LOG_SEED` runs one seed alone, `LOG_SEEDS` another number of them.
#[test]
fn random_lives_keep_the_laws() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    if let Some(seed) = number("LOG_SEED") {
        return one_life(seed, 150);
    }
    for seed in 0..number("LOG_SEEDS").unwrap_or(150) {
        one_life(seed, 150);
    }
}
