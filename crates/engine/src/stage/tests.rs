//! A record that makes the operator panic, and when state is committed.

use super::*;
use crate::options::{EngineOptions, Ports};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vitrina_ports::log::{Append, Records};
use vitrina_ports::seat::solo::SoloSeat;
use vitrina_stream::{Outbox, ProductStage, UserStage, Working};
use vitrina_types::event::KindTag;
use vitrina_types::event::Rejection;
use vitrina_types::event::user_key;
use vitrina_types::id::{ProductId, UserId};
use vitrina_types::product::Product;
use vitrina_types::record::{DeadLetter, ProductEnvelope, ProductRecord, UserEnvelope, UserRecord};
use vitrina_types::state::TaskState;
use vitrina_types::state::UserValue;
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

/// The user stage, but it panics over everything this visitor does.
struct Panicky(UserStage);

const POISON: &str = "poison";

impl Operator for Panicky {
    type Record = UserEnvelope;
    type Value = UserValue;
    type Resident = <UserStage as Operator>::Resident;
    const NAME: &'static str = UserStage::NAME;
    const INPUT: Topic = UserStage::INPUT;

    fn decode(&self, bytes: &[u8]) -> Result<UserEnvelope, Rejection> {
        self.0.decode(bytes)
    }

    fn keys(&self, record: &UserEnvelope, keys: &mut Vec<String>) {
        self.0.keys(record, keys);
    }

    fn ingest_time(&self, record: &UserEnvelope) -> IngestTime {
        self.0.ingest_time(record)
    }

    fn apply(
        &self,
        record: &UserEnvelope,
        state: &mut Working<UserValue, Self::Resident>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        self.0.apply(record, state, task, out);
        if let UserRecord::Event(event) = &record.record {
            assert!(event.subject.partition_id() != POISON, "poisoned");
        }
    }
}

fn event(user: &str, id: &str) -> Vec<u8> {
    let json =
        format!(r#"{{"event_id":"{id}","event_type":"view","user_id":"{user}","product_id":"p"}}"#);
    let intake = vitrina_types::event::Intake {
        ingest_time: IngestTime(1_000),
        fresh_event_id: &|| unreachable!("has an id"),
        hash_address: &|_| 0,
    };
    let event = vitrina_types::event::parse(json.as_bytes(), &intake).unwrap();
    stored::encode(&UserEnvelope {
        ingest_time: IngestTime(1_000),
        backfill: false,
        record: UserRecord::Event(Box::new(event)),
    })
}

/// What a worker does with a stage in a turn.
async fn turn<O: Operator>(
    stage: &mut Stage<O>,
    shared: &Shared,
    seat: &mut SoloSeat,
) -> Result<usize, EngineError> {
    let mut batch = Batch::default();
    let records = stage.process(&mut batch, shared, seat).await?;
    batch.publish(shared, seat).await?;
    stage.published(&batch);
    stage.commit_due(false, shared).await?;
    Ok(records)
}

#[tokio::test]
async fn a_record_that_panics_three_times_is_a_dead_letter_and_the_stream_goes_on() {
    let partition = Partition::of(POISON);
    // A visitor of the same partition, so that its events stand behind the poisoned one.
    let other = (0..)
        .map(|i| format!("v{i}"))
        .find(|v| Partition::of(v) == partition);
    let other = other.unwrap();
    let ports = Ports::in_memory();
    let mut records = Records::default();
    for (user, id) in [(&*other, "1"), (POISON, "2"), (&*other, "3")] {
        records.push(&event(user, id));
    }
    let append = Append {
        topic: Topic::UserEvents,
        partition,
        records,
    };
    ports.log.append(vec![append]).await.unwrap();
    let clock = Arc::new(|| IngestTime(1_000));
    let shared = Shared::new(ports, EngineOptions::default(), clock);
    let make = |partition| Task::new(Panicky(UserStage::default()), partition);
    let mut stage = Stage::new(Space::Users, Box::new(make), Box::new(|_, _| {}));
    let tasks = vec![TaskId {
        topic: Topic::UserEvents,
        partition,
    }];
    stage.take(&tasks, &shared);
    let mut seat = SoloSeat::new(Arc::clone(&shared.ports.log), tasks);
    let mut rounds = 0;
    while shared.applied(Space::Users, partition) < 3 {
        rounds += 1;
        assert!(rounds <= 10, "the stream does not go on");
        stage.assign(&shared, &mut seat).await.unwrap();
        if turn(&mut stage, &shared, &mut seat).await.is_err() {
            seat.reset().await.unwrap();
            stage.doubt();
        }
    }
    assert_eq!(shared.figures.panics.get(), u64::from(round::ATTEMPTS_MAX));
    let letters = Topic::DeadLetters;
    let letters = shared.ports.log.read(letters, Partition(0), 0, 1_000_000);
    let letters = letters.await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter: DeadLetter = stored::decode(&letters[0].bytes).unwrap();
    assert_eq!(letter.attempts, round::ATTEMPTS_MAX);
    assert_eq!(letter.bytes, event(POISON, "2"));
    let at = StatePartition {
        space: Space::Users,
        partition,
    };
    let key = [user_key(&UserId::new(&other).unwrap())];
    let found = shared.ports.state.get_many(at, &key).await.unwrap();
    let value: UserValue = stored::decode(found.values[0].as_deref().unwrap()).unwrap();
    assert_eq!(value.as_state().unwrap().counters.of("view"), 2);
}

/// What a backlog left is committed when it is time, also while only other stages have work.
#[tokio::test]
async fn the_last_round_of_a_backlog_is_committed_in_time_although_nothing_follows_it() {
    const TICKS: u64 = 2_500;
    let partition = Partition(0);
    let ports = Ports::in_memory();
    let mut records = Records::default();
    for _ in 0..TICKS {
        records.push(&stored::encode(&UserEnvelope {
            ingest_time: IngestTime(1_000),
            backfill: false,
            record: UserRecord::Tick,
        }));
    }
    let append = Append {
        topic: Topic::UserEvents,
        partition,
        records,
    };
    let time = Arc::new(AtomicI64::new(1_000_000));
    let told = Arc::clone(&time);
    let clock = Arc::new(move || IngestTime(told.load(Ordering::Relaxed)));
    let shared = Shared::new(ports, EngineOptions::default(), clock);
    let make = |partition| Task::new(UserStage::default(), partition);
    let mut stage = Stage::new(Space::Users, Box::new(make), Box::new(|_, _| {}));
    let tasks = vec![TaskId {
        topic: Topic::UserEvents,
        partition,
    }];
    stage.take(&tasks, &shared);
    let mut seat = SoloSeat::new(Arc::clone(&shared.ports.log), tasks);
    stage.assign(&shared, &mut seat).await.unwrap();
    stage.last_commit = shared.now();
    shared.ports.log.append(vec![append]).await.unwrap();
    let round = turn(&mut stage, &shared, &mut seat).await.unwrap();
    assert_eq!(round as u64, TICKS, "all of them in one round");
    let applied = || shared.applied(Space::Users, partition);
    assert_eq!(applied(), 0, "commits coalesce");
    let interval = shared.options.commit_interval.as_millis() as i64;
    time.fetch_add(interval, Ordering::Relaxed);
    assert_eq!(turn(&mut stage, &shared, &mut seat).await.unwrap(), 0);
    assert!(applied() >= TICKS);
}

/// Where writing state is dear, what nobody waits for is written in its time, and what somebody may
/// be waiting for at once.
#[tokio::test]
async fn only_what_may_be_waited_for_is_committed_faster_than_the_pace() {
    let product = ProductId::new("lamp").unwrap();
    let partition = Partition::of(product.as_str());
    let time = Arc::new(AtomicI64::new(1_000_000));
    let told = Arc::clone(&time);
    let clock = Arc::new(move || IngestTime(told.load(Ordering::Relaxed)));
    let options = EngineOptions {
        state_writes_per_second: Some(1),
        ..EngineOptions::default()
    };
    let shared = Shared::new(Ports::in_memory(), options, clock);
    let make = |partition| Task::new(ProductStage::default(), partition);
    let mut stage = Stage::new(Space::Products, Box::new(make), Box::new(|_, _| {}));
    let tasks = vec![TaskId {
        topic: Topic::ProductSignals,
        partition,
    }];
    stage.take(&tasks, &shared);
    let mut seat = SoloSeat::new(Arc::clone(&shared.ports.log), tasks);
    stage.assign(&shared, &mut seat).await.unwrap();
    let viewed = ProductRecord::Interaction {
        product: product.clone(),
        kind: KindTag::of("view").unwrap(),
        interest: 1.0,
        at: EventTime(1_000),
        value: None,
        pieces: 1,
        visitor: None,
    };
    let changed = ProductRecord::Upsert {
        version: 1,
        product: Box::new(Product::bare(product, EventTime(1))),
    };
    let applied = || shared.applied(Space::Products, partition);
    let mut send = async |record: &ProductRecord| {
        let mut records = Records::default();
        records.push(&stored::encode(&ProductEnvelope {
            ingest_time: IngestTime(1_000),
            backfill: false,
            record: record.clone(),
        }));
        let append = Append {
            topic: Topic::ProductSignals,
            partition,
            records,
        };
        shared.ports.log.append(vec![append]).await.unwrap();
        turn(&mut stage, &shared, &mut seat).await.unwrap();
    };
    send(&viewed).await;
    assert_eq!(applied(), 1, "after a rest at once");
    send(&viewed).await;
    assert_eq!(
        applied(),
        1,
        "two keys were written, one may be in a second"
    );
    time.fetch_add(2_000, Ordering::Relaxed);
    send(&viewed).await;
    assert_eq!(applied(), 3, "both");
    send(&changed).await;
    assert_eq!(applied(), 4, "the shop changed something");
}
