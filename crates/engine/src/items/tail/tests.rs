//! One tail over a log and a state that the test writes itself.

use super::*;
use crate::options::{EngineOptions, Ports};
use crate::roles::Roles;
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use vitrina_ports::PortFuture;
use vitrina_ports::faulty::{FaultPlan, FaultRates, FaultyState};
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{Append, EventLog, Records};
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::state::{Change, Commit, StateStore, Versioned};
use vitrina_types::ban::BanTarget;
use vitrina_types::event::KindTag;
use vitrina_types::id::ProductId;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord};
use vitrina_types::state::{ProductState, ProductValue};
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime};

/// Counts the keys that are read.
struct Counting {
    inner: MemoryState,
    keys: AtomicU64,
}

impl StateStore for Counting {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        self.keys.fetch_add(keys.len() as u64, Ordering::Relaxed);
        self.inner.get_many(partition, keys)
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        self.inner.commit(commit)
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        self.inner.scan(partition, after, limit)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.inner.reached(partition, wanted)
    }
}

/// The stores, and a node that only answers.
struct World {
    log: Arc<MemoryLog>,
    state: Arc<Counting>,
    shared: Arc<Shared>,
    partition: Partition,
    /// Names of products of the partition.
    names: Vec<ProductId>,
}

impl World {
    fn new() -> Self {
        Self::with(|state| state)
    }

    /// The node sees the state through `seen`.
    fn with(seen: impl FnOnce(Arc<dyn StateStore>) -> Arc<dyn StateStore>) -> Self {
        let log = Arc::new(MemoryLog::new());
        let state = Arc::new(Counting {
            inner: MemoryState::with_crashes(),
            keys: AtomicU64::new(0),
        });
        let ports = Ports {
            log: Arc::clone(&log) as _,
            state: seen(Arc::clone(&state) as _),
            ..Ports::in_memory()
        };
        let options = EngineOptions {
            roles: Roles {
                stream: false,
                ..Roles::all()
            },
            idle_check_interval: Duration::ZERO,
            ..EngineOptions::default()
        };
        let shared = Arc::new(Shared::new(ports, options, Arc::new(|| IngestTime(1_000))));
        let partition = Partition(7);
        let names = (0..).map(|number| ProductId::new(&format!("p{number}")).unwrap());
        let names = names.filter(|id| Partition::of(id.as_str()) == partition);
        let names = names.take(8).collect();
        Self {
            log,
            state,
            shared,
            partition,
            names,
        }
    }

    fn at(&self) -> StatePartition {
        StatePartition {
            space: Space::Products,
            partition: self.partition,
        }
    }

    /// Says of each of these products that the catalogue lost it; answers in how many bytes.
    async fn signal(&self, names: &[usize], is_durable: bool) -> usize {
        let deleted = |product| ProductRecord::Delete {
            version: 0,
            product,
        };
        self.say(names, is_durable, deleted).await
    }

    /// Says of each of these products that somebody looked at it.
    async fn look(&self, names: &[usize]) {
        let seen = |product| ProductRecord::Interaction {
            product,
            kind: KindTag::of("view").unwrap(),
            interest: 1.0,
            at: EventTime(1),
            value: None,
            pieces: 1,
            visitor: None,
        };
        self.say(names, true, seen).await;
    }

    /// Sends a record about each of these products; answers how many bytes they are.
    async fn say(
        &self,
        names: &[usize],
        is_durable: bool,
        record: impl Fn(ProductId) -> ProductRecord,
    ) -> usize {
        let mut records = Records::default();
        for &name in names {
            records.push(&stored::encode(&ProductEnvelope {
                ingest_time: IngestTime(1_000),
                backfill: false,
                record: record(self.names[name].clone()),
            }));
        }
        let bytes = records.byte_len();
        let append = Append {
            topic: SIGNALS,
            partition: self.partition,
            records,
        };
        let log = &self.log;
        log.publish(vec![append], Vec::new(), is_durable)
            .await
            .unwrap();
        bytes
    }

    /// State comes to `next`, with cards of these versions.
    async fn commit(&self, next: Offset, cards: &[(usize, u64)]) {
        let found = self.state.inner.get_many(self.at(), &[]).await.unwrap();
        let change = |&(name, version): &(usize, u64)| {
            let id = &self.names[name];
            let state = ProductState {
                card: Some(Box::new(Product::bare(id.clone(), EventTime(1)))),
                card_version: version,
                ..ProductState::default()
            };
            let value = stored::encode(&ProductValue::Product(Box::new(state)));
            Change {
                key: ProductKey::Product(id.clone()).stored(),
                value: Some(Bytes::from(value)),
            }
        };
        let commit = Commit {
            partition: self.at(),
            expected: found.position,
            next,
            changes: cards.iter().map(change).collect(),
        };
        self.state.commit(commit).await.unwrap();
    }

    fn tail(&self) -> Tail {
        Tail::new(self.partition, 0, BTreeSet::new())
    }

    fn version(&self, name: usize) -> u64 {
        let table = self.shared.items.read();
        table.card_version(self.names[name].as_str())
    }

    fn keys_read(&self) -> u64 {
        self.state.keys.swap(0, Ordering::Relaxed)
    }
}

#[tokio::test]
async fn what_changed_is_read_once_and_not_before_state_holds_it() {
    let world = World::new();
    let mut tail = world.tail();
    assert_eq!(tail.turn(&world.shared).await.unwrap(), Turn::Idle);
    world.signal(&[0, 1, 0, 0, 1, 0], true).await;
    world.commit(3, &[(0, 3)]).await;
    let early = tail.turn(&world.shared).await.unwrap();
    assert_eq!(early, Turn::Moved { is_full: false });
    assert_eq!((tail.from, world.keys_read()), (0, 0), "not there yet");
    world.commit(6, &[(0, 6), (1, 5)]).await;
    let turned = tail.turn(&world.shared).await.unwrap();
    assert_eq!(turned, Turn::Moved { is_full: false });
    assert_eq!((world.version(0), world.version(1)), (6, 5));
    assert_eq!(world.keys_read(), 2, "each key once");
    assert_eq!(tail.turn(&world.shared).await.unwrap(), Turn::Idle);
    assert_eq!(world.keys_read(), 0);
}

/// While much changes it gathers, and reads what changed again and again once; what the shop says
/// is read at once, with all the rest.
#[tokio::test(start_paused = true)]
async fn weights_take_their_time_and_what_the_shop_says_does_not() {
    let world = World::new();
    let mut tail = world.tail();
    let turn = async |tail: &mut Tail| tail.turn(&world.shared).await.unwrap();
    world.look(&[0, 1, 2, 3]).await;
    world.commit(4, &[(0, 1), (1, 1), (2, 1), (3, 1)]).await;
    turn(&mut tail).await;
    assert_eq!(
        (tail.from, world.keys_read()),
        (4, 4),
        "after a silence at once"
    );
    world.look(&[0, 1, 0]).await;
    world.commit(7, &[(0, 2), (1, 2)]).await;
    turn(&mut tail).await;
    world.look(&[0]).await;
    world.commit(8, &[(0, 3)]).await;
    turn(&mut tail).await;
    assert_eq!((tail.from, world.keys_read()), (4, 0), "it gathers");
    let pause = Duration::from_millis(4 * 1_000 / KEYS_PER_SECOND as u64);
    tokio::time::advance(pause).await;
    turn(&mut tail).await;
    assert_eq!((tail.from, world.keys_read()), (8, 2), "each once");
    assert_eq!((world.version(0), world.version(1)), (3, 2));
    world.look(&[0]).await;
    world.signal(&[5], true).await;
    world.commit(10, &[(0, 4), (5, 4)]).await;
    turn(&mut tail).await;
    assert_eq!((tail.from, world.version(5)), (10, 4), "at once");
}

/// Log and state lost their tails while it waited for what stood there.
#[tokio::test]
async fn it_waits_for_no_position_that_is_gone() {
    let world = World::new();
    let mut tail = world.tail();
    world.signal(&[0], true).await;
    world.signal(&[1, 1, 1], false).await;
    world.commit(1, &[(0, 1)]).await;
    let waits = tail.turn(&world.shared).await.unwrap();
    assert_eq!(waits, Turn::Moved { is_full: false });
    world.log.crash(0);
    while tail.turn(&world.shared).await.unwrap() != Turn::Idle {}
    assert_eq!((tail.from, world.version(0)), (1, 1));
}

/// However much there is, one batch of it is in memory.
#[tokio::test]
async fn a_backlog_is_read_in_batches() {
    let world = World::new();
    let mut tail = world.tail();
    let names: Vec<usize> = (0..60_000).map(|at| at % 8).collect();
    let bytes = world.signal(&names, true).await;
    assert!(bytes > 2 * READ_BYTES, "{bytes} bytes");
    world.commit(names.len() as u64, &[(3, 1)]).await;
    let mut batches = 0;
    while tail.turn(&world.shared).await.unwrap() != Turn::Idle {
        batches += 1;
        assert!(batches < 1_000, "never ends");
    }
    assert!(batches >= bytes / READ_BYTES, "{batches} batches");
    assert_eq!(tail.from, names.len() as u64);
    assert_eq!(world.version(3), 1);
}

/// Log and state lost their tails: what comes now stands where something else stood before.
#[tokio::test]
async fn state_that_steps_back_is_read_again_from_there() {
    let world = World::new();
    let mut tail = world.tail();
    world.signal(&[0], true).await;
    world.commit(1, &[(0, 1)]).await;
    world.state.inner.flush();
    world.signal(&[1, 1, 1], false).await;
    world.commit(4, &[(1, 4)]).await;
    while tail.turn(&world.shared).await.unwrap() != Turn::Idle {}
    assert_eq!((world.version(0), world.version(1)), (1, 4));
    world.log.crash(0);
    world.state.inner.crash(0);
    assert_eq!(tail.turn(&world.shared).await.unwrap(), Turn::Idle);
    world.signal(&[2, 0], true).await;
    world.commit(3, &[(2, 2), (0, 3)]).await;
    while tail.turn(&world.shared).await.unwrap() != Turn::Idle {}
    assert_eq!((world.version(0), world.version(2)), (3, 2));
}

/// It steps back between the wait for it and the read: what is read then must not pass for newer.
#[tokio::test]
async fn a_read_behind_the_batch_moves_nothing() {
    let world = World::new();
    let mut tail = world.tail();
    world.signal(&[0, 1], true).await;
    world.commit(1, &[(0, 1)]).await;
    tail.name_more(&world.shared).await.unwrap();
    tail.take(&world.shared).await.unwrap();
    assert_eq!((tail.from, world.version(0)), (0, 0));
    world.commit(2, &[(1, 2)]).await;
    while tail.turn(&world.shared).await.unwrap() != Turn::Idle {}
    assert_eq!((world.version(0), world.version(1)), (1, 2));
}

/// A node that slept longer than the log remembers; meanwhile another state took the place.
#[tokio::test]
async fn after_missing_records_everything_is_read_again_and_what_is_gone_is_forgotten() {
    let world = World::new();
    let ban = BanTarget::Product(world.names[5].clone());
    let key = ProductKey::Ban(ban.clone());
    world.signal(&[0, 1], true).await;
    let mut tail = world.tail();
    tail.bans.insert(key.stored());
    let value = ProductValue::Ban {
        version: 9,
        banned: true,
    };
    world.shared.items.apply(&key, Some(&value));
    let gone = ProductValue::Product(Box::new(ProductState {
        card: Some(Box::new(Product::bare(
            world.names[4].clone(),
            EventTime(1),
        ))),
        card_version: 8,
        ..ProductState::default()
    }));
    let gone_key = ProductKey::Product(world.names[4].clone());
    world.shared.items.apply(&gone_key, Some(&gone));
    world.commit(2, &[(0, 1), (1, 2)]).await;
    world.log.expire(SIGNALS, world.partition, 1);
    let lost = tail.turn(&world.shared).await;
    let is_expired = matches!(lost, Err(EngineError::Port(PortError::Expired { .. })));
    assert!(is_expired, "{lost:?}");
    assert_eq!(tail.turn(&world.shared).await.unwrap(), Turn::Idle);
    assert_eq!((world.version(0), world.version(1)), (1, 2));
    assert_eq!(world.version(4), 0, "a product that state does not know");
    let table = world.shared.items.read();
    assert_eq!(table.ban_version(&ban.id()), 0, "a ban it does not know");
}

/// Nothing is passed over because a port failed.
#[tokio::test]
async fn a_port_that_fails_now_and_then_loses_nothing() {
    let rates = FaultRates {
        before_per_mille: 300,
        after_per_mille: 300,
    };
    let plan = FaultPlan::new(7, rates);
    let faults = Arc::clone(&plan);
    let world = World::with(|state| Arc::new(FaultyState::new(state, faults)) as _);
    let mut tail = world.tail();
    for round in 1..=50 {
        let name = round as usize % 8;
        world.signal(&[name], true).await;
        world.commit(round, &[(name, round)]).await;
        let mut attempts = 0;
        while !matches!(tail.turn(&world.shared).await, Ok(Turn::Idle)) {
            attempts += 1;
            assert!(attempts < 1_000, "never succeeds");
        }
        assert_eq!(world.version(name), round);
    }
    let counts = plan.counts();
    assert!(counts.failed_before > 10, "{counts:?}");
}
