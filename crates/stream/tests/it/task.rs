//! One task, driven the way the engine does.

use crate::make::*;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vitrina_stream::{
    AssignError, OUTPUT_BYTES_MAX, Operator, Outbox, Task, UserStage, Working, decode_stored,
};
use vitrina_types::event::{Kind, Rejection};
use vitrina_types::partition::Partition;
use vitrina_types::record::{DeadLetter, UserEnvelope, UserRecord};
use vitrina_types::state::{TaskState, UserValue};
use vitrina_types::stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Does nothing, but panics on a search: a bug in one kind of event.
struct Fragile;

impl Operator for Fragile {
    type Record = UserEnvelope;
    type Value = UserValue;
    type Resident = ();

    const NAME: &'static str = "fragile";
    const INPUT: Topic = Topic::UserEvents;

    fn decode(&self, bytes: &[u8]) -> Result<UserEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, _: &UserEnvelope, keys: &mut Vec<String>) {
        keys.push("u/u".to_owned());
    }

    fn ingest_time(&self, record: &UserEnvelope) -> IngestTime {
        record.ingest_time
    }

    fn apply(
        &self,
        record: &UserEnvelope,
        state: &mut Working<UserValue>,
        _: &mut TaskState,
        out: &mut Outbox,
    ) {
        if let UserRecord::Event(event) = &record.record {
            assert!(!matches!(event.kind, Kind::Search(_)), "cannot search");
            state.entry("u/u", || UserValue::State(Box::default()));
            out.send(Topic::UserEvents, Partition(3), record);
        }
    }
}

/// Makes a quarter of what a batch may send of every record.
#[derive(Clone)]
struct Loud;

impl Operator for Loud {
    type Record = UserEnvelope;
    type Value = UserValue;
    type Resident = ();

    const NAME: &'static str = "loud";
    const INPUT: Topic = Topic::UserEvents;

    fn decode(&self, bytes: &[u8]) -> Result<UserEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, _: &UserEnvelope, _: &mut Vec<String>) {}

    fn ingest_time(&self, record: &UserEnvelope) -> IngestTime {
        record.ingest_time
    }

    fn apply(
        &self,
        record: &UserEnvelope,
        _: &mut Working<UserValue>,
        _: &mut TaskState,
        out: &mut Outbox,
    ) {
        let letter = DeadLetter {
            ingest_time: record.ingest_time,
            source: "".into(),
            rejection: Rejection::new("loud", "", ""),
            attempts: 1,
            bytes: vec![7; OUTPUT_BYTES_MAX / 4],
        };
        out.send(Topic::DeadLetters, Partition(0), &letter);
    }
}

/// What a log cannot take at once is not sent at once, and nothing is left out or sent twice.
#[test]
fn a_batch_ends_where_its_outputs_are_many() {
    let records: Vec<_> = (0..10).map(tick).collect();
    let log = bytes(&records);
    let mut task = Task::new(Loud, Partition(0));
    let mut ends = Vec::new();
    let mut sent = Vec::new();
    while task.position() < 10 {
        let missing = feed(&mut task, &log);
        load_nothing(&mut task, missing);
        task.process();
        ends.push(task.position());
        sent.extend(letters(&mut task));
    }
    assert_eq!(ends, [4, 8, 10]);
    assert_eq!(task.task_state().applied, 10);
    let times: Vec<i64> = sent.iter().map(|l| l.ingest_time.0 - START).collect();
    assert_eq!(times, (0..10).collect::<Vec<_>>());
    // What was sent before is sent no more, and ends no batch.
    task.assign(0, 10).unwrap();
    let missing = feed(&mut task, &log);
    load_nothing(&mut task, missing);
    task.process();
    assert_eq!(task.position(), 10);
    assert!(task.take_outputs().is_empty());
}

fn bytes(records: &[UserEnvelope]) -> Vec<Vec<u8>> {
    records.iter().map(stored::encode).collect()
}

fn feed<O: Operator>(task: &mut Task<O>, log: &[Vec<u8>]) -> Vec<String> {
    task.accept((0..).zip(log.iter().map(Vec::as_slice)))
}

fn load_nothing<O: Operator>(task: &mut Task<O>, missing: Vec<String>) {
    for key in missing {
        task.load(key, None).unwrap();
    }
}

fn letters<O: Operator>(task: &mut Task<O>) -> Vec<DeadLetter> {
    let outputs = task.take_outputs();
    let letters = outputs.iter().filter(|o| o.topic == Topic::DeadLetters);
    letters
        .flat_map(|o| o.records())
        .map(|bytes| stored::decode(bytes).unwrap())
        .collect()
}

#[test]
fn state_ahead_of_outputs_is_refused() {
    let mut task = Task::new(UserStage::default(), Partition(0));
    let refused = AssignError {
        state_position: 8,
        published: 7,
    };
    assert_eq!(task.assign(8, 7), Err(refused));
    assert_eq!(task.position(), 0);
    assert_eq!(task.assign(7, 7), Ok(()));
    assert_eq!(task.position(), 7);
}

#[test]
fn a_batch_names_what_is_not_in_memory_once() {
    let mut task = Task::new(UserStage::default(), Partition(0));
    let log = bytes(&[live(view("1", "p", 0)), live(view("2", "p", 1))]);
    let missing = feed(&mut task, &log[..1]);
    assert_eq!(missing.len(), 2, "{missing:?}");
    assert!(missing.contains(&TaskState::KEY.to_owned()));
    assert!(missing.contains(&"u/u".to_owned()));
    load_nothing(&mut task, missing);
    task.process();
    assert_eq!(task.position(), 1);
    // What was taken before is passed over.
    assert!(feed(&mut task, &log).is_empty());
    task.process();
    assert_eq!((task.position(), task.task_state().applied), (2, 2));
}

#[test]
fn damaged_bytes_become_a_dead_letter() {
    let good = stored::encode(&live(view("1", "p", 0)));
    let mut future = good.clone();
    future[0] = 99;
    #[rustfmt::skip]
    let cases: &[(&str, Vec<u8>)] = &[
        ("empty",         vec![]),
        ("cut",           good[..good.len() / 2].to_vec()),
        ("longer",        [good.clone(), vec![0]].concat()),
        ("a new version", future),
        ("noise",         vec![1; 100_000]),
    ];
    for (name, damaged) in cases {
        let mut task = Task::new(UserStage::default(), Partition(5));
        let log = [damaged.clone(), good.clone()];
        let missing = feed(&mut task, &log);
        load_nothing(&mut task, missing);
        task.process();
        let letters = letters(&mut task);
        assert_eq!(letters.len(), 1, "{name}");
        assert_eq!(letters[0].rejection.code, "undecodable", "{name}");
        assert_eq!(&*letters[0].source, "user-events/5@0", "{name}");
        assert_eq!(
            letters[0].bytes,
            damaged[..damaged.len().min(64 * 1024)],
            "{name}"
        );
        let state = task.task_state();
        assert_eq!((state.rejected, state.applied), (1, 1), "{name}");
    }
}

#[test]
fn what_panics_three_times_is_given_up() {
    let records = [
        live(view("1", "p", 0)),
        live(event("2", "search", &[], 1)),
        live(view("3", "p", 2)),
    ];
    let log = bytes(&records);
    let mut task = Task::new(Fragile, Partition(0));
    for _ in 0..3 {
        let missing = feed(&mut task, &log);
        load_nothing(&mut task, missing);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let processed = catch_unwind(AssertUnwindSafe(|| task.process()));
        std::panic::set_hook(hook);
        assert!(processed.is_err());
        assert_eq!(task.current(), Some(1));
        task.assign(0, 0).unwrap();
        assert_eq!((task.hot_keys(), task.current()), (0, None));
    }
    task.give_up(1, 3);
    task.assign(0, 0).unwrap();
    let missing = feed(&mut task, &log);
    load_nothing(&mut task, missing);
    task.process();
    assert_eq!(task.current(), None);
    let state = *task.task_state();
    assert_eq!((state.applied, state.rejected), (2, 1));
    let letters = letters(&mut task);
    assert_eq!(letters.len(), 1);
    assert_eq!(
        (&*letters[0].rejection.code, letters[0].attempts),
        ("gave_up", 3)
    );
    assert_eq!(letters[0].bytes, log[1]);
    // Once the state is past it, it is forgotten.
    task.assign(2, 2).unwrap();
    task.assign(0, 2).unwrap();
    let missing = feed(&mut task, &log[..1]);
    load_nothing(&mut task, missing);
    task.process();
}

#[test]
fn changes_come_once_and_only_when_there_are_some() {
    let mut task = Task::new(UserStage::default(), Partition(0));
    let log = bytes(&[live(view("1", "p", 0))]);
    let missing = feed(&mut task, &log);
    load_nothing(&mut task, missing);
    task.process();
    let taken = |task: &mut Task<UserStage>| {
        let mut taken = BTreeMap::new();
        task.take_changes(&mut |key, value, bytes| {
            assert_eq!(
                value.map(stored::encode),
                bytes.clone().filter(|_| value.is_some())
            );
            assert!(taken.insert(key.to_owned(), bytes).is_none());
        });
        taken
    };
    let changes = taken(&mut task);
    // The visitor, the bucket that is open, its open session, the task.
    assert_eq!(changes.len(), 4);
    let state: TaskState = stored::decode(changes[TaskState::KEY].as_ref().unwrap()).unwrap();
    assert_eq!(state.applied, 1);
    assert!(taken(&mut task).is_empty());
}

#[test]
fn memory_is_bounded() {
    let mut task = Task::new(UserStage::default(), Partition(0)).with_hot_keys_max(100);
    let (mut most, mut store) = (0, BTreeMap::<String, Vec<u8>>::new());
    let mut next = 0;
    for round in 0..200 {
        let records = (0..20).map(|i| {
            let id = format!("u{}", (round * 20 + i) % 777);
            live(by(
                view(&format!("e{round}-{i}"), "p", round),
                Some(&id),
                None,
            ))
        });
        let records: Vec<_> = records.map(|record| stored::encode(&record)).collect();
        let missing = task.accept((next..).zip(records.iter().map(Vec::as_slice)));
        next = task.position();
        for key in missing {
            let value = store.get(&key).cloned();
            task.load(key, value.as_deref()).unwrap();
        }
        task.process();
        task.take_changes(&mut |key, _, bytes| {
            match bytes {
                Some(bytes) => store.insert(key.to_owned(), bytes),
                None => store.remove(key),
            };
        });
        most = most.max(task.hot_keys());
    }
    assert!(most <= 100 + 40, "{most}");
    assert_eq!(task.task_state().applied, 4_000);
    let mut counted = 0;
    for (key, bytes) in &store {
        if let (true, UserValue::State(state)) = (
            key.starts_with("u/"),
            stored::decode(bytes).unwrap_or(UserValue::Expiry(vec![])),
        ) {
            counted += state.counters.total();
        }
    }
    assert_eq!(counted, 4_000);
}
