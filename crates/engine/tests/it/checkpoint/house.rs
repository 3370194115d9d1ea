//! A shop at random, its engine step by step, and followers of it.

use crate::support::ports;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vitrina_engine::{
    CheckpointFloor, CheckpointId, CheckpointOptions, CheckpointStores, Checkpointer, Clock,
    EngineOptions, NoUpkeep, Ports, drain, restore_checkpoint,
};
use vitrina_ports::faulty::SplitMix64;
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{Append, Bounds, Consumer, EventLog, Offset, Records};
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::snapshots::memory::MemorySnapshots;
use vitrina_ports::state::memory::{MemoryState, Pairs};
use vitrina_ports::state::{StatePartition, StateStore, Versioned};
use vitrina_types::answer::{Impression, ShownItem};
use vitrina_types::ban::BanTarget;
use vitrina_types::event::{Intake, parse};
use vitrina_types::id::{PlacementId, ProductId, SlateId};
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{
    ShopEnvelope, ShopRecord, SlateEnvelope, SlateRecord, UserEnvelope, UserRecord,
};
use vitrina_types::score::Score;
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

/// What a state holds, byte for byte.
pub(super) type Dump = Vec<(StatePartition, Versioned<Pairs>)>;

/// A log, the state of the engine on it, and what comes in.
pub(super) struct House {
    pub(super) log: Arc<MemoryLog>,
    pub(super) live: Arc<MemoryState>,
    pub(super) random: SplitMix64,
    pub(super) options: EngineOptions,
    now: Arc<AtomicI64>,
    events: u64,
}

/// One follower's stores.
pub(super) fn stores(
    state: &Arc<MemoryState>,
    snapshots: &Arc<impl SnapshotStore + 'static>,
) -> CheckpointStores {
    CheckpointStores {
        state: Arc::clone(state) as _,
        upkeep: Arc::new(NoUpkeep),
        snapshots: Arc::clone(snapshots) as _,
        floor: Arc::new(CheckpointFloor::new()),
        release: "0.1.0".to_owned(),
        log: None,
    }
}

/// What a checkpoint restores to.
pub(super) async fn restored(snapshots: &MemorySnapshots, id: &CheckpointId) -> MemoryState {
    let state = MemoryState::new();
    restore_checkpoint(snapshots, id, &state)
        .await
        .expect("restores");
    state
}

impl House {
    pub(super) fn new(seed: u64) -> Self {
        let checkpoints = CheckpointOptions {
            // Small, so that a partition has several objects.
            object_bytes_max: 1_500,
            keep: 100,
            ..CheckpointOptions::default()
        };
        Self {
            log: Arc::new(MemoryLog::new()),
            live: Arc::new(MemoryState::new()),
            random: SplitMix64::new(seed),
            options: EngineOptions {
                checkpoints,
                hot_keys_max: 16,
                ..EngineOptions::default()
            },
            now: Arc::new(AtomicI64::new(1_700_000_000_000)),
            events: 0,
        }
    }

    pub(super) fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || IngestTime(now.load(Ordering::SeqCst)))
    }

    pub(super) fn ports(&self, state: Arc<dyn StateStore>) -> Ports {
        ports(Arc::clone(&self.log) as _, state)
    }

    pub(super) fn checkpointer(&self, stores: CheckpointStores) -> Checkpointer {
        let ports = self.ports(Arc::clone(&self.live) as _);
        Checkpointer::new(ports, self.options.clone(), self.clock(), stores)
    }

    /// The engine on `state` applies all there is.
    pub(super) async fn work_on(&self, state: Arc<dyn StateStore>) {
        drain(&self.ports(state), &self.options, &self.clock())
            .await
            .expect("works");
    }

    /// The engine applies all there is.
    pub(super) async fn work(&self) {
        self.work_on(Arc::clone(&self.live) as _).await;
    }

    /// A number below `below`.
    pub(super) fn pick(&mut self, below: u64) -> u64 {
        self.random.next() % below
    }

    /// Takes in `count` records of all kinds; time goes on, now and then by hours.
    pub(super) async fn feed(&mut self, count: u64) {
        for _ in 0..count {
            let step_ms = match self.pick(20) {
                0 => 7_200_000,
                _ => self.pick(240_000) as i64,
            };
            let now = IngestTime(self.now.fetch_add(step_ms, Ordering::SeqCst) + step_ms);
            match self.pick(12) {
                0 => self.tick(now).await,
                1 => self.show(now).await,
                2 => self.offer(now).await,
                _ => self.visit(now).await,
            }
        }
    }

    async fn append(&self, topic: Topic, partition: Partition, record: Vec<u8>) {
        let mut records = Records::default();
        records.push(&record);
        let append = Append {
            topic,
            partition,
            records,
        };
        self.log.append(vec![append]).await.unwrap();
    }

    async fn visit(&mut self, now: IngestTime) {
        self.events += 1;
        let kinds = ["view", "view", "view", "add_to_cart", "purchase", "return"];
        let kind = kinds[self.pick(kinds.len() as u64) as usize];
        let (user, anonymous) = (self.pick(12), self.pick(12));
        let who = match self.pick(3) {
            0 => format!(r#""user_id":"u{user}""#),
            1 => format!(r#""anonymous_id":"a{anonymous}""#),
            _ => format!(r#""user_id":"u{user}","anonymous_id":"a{anonymous}""#),
        };
        let (product, slate, number) = (self.pick(9), self.pick(20), self.events);
        let at_ms = now.0 - self.pick(60_000) as i64;
        let json = format!(
            r#"{{"event_id":"e{number}","event_type":"{kind}",{who},"product_id":"p{product}","price":3,"slate_id":"s{slate}","event_time":{at_ms}}}"#
        );
        let intake = Intake {
            ingest_time: now,
            fresh_event_id: &|| unreachable!("has an id"),
            hash_address: &|_| 0,
        };
        let event = parse(json.as_bytes(), &intake).unwrap();
        let partition = Partition::of(event.subject.partition_id());
        let envelope = UserEnvelope {
            ingest_time: now,
            backfill: false,
            record: UserRecord::Event(Box::new(event)),
        };
        self.append(Topic::UserEvents, partition, stored::encode(&envelope))
            .await;
    }

    async fn tick(&self, now: IngestTime) {
        let user = stored::encode(&UserEnvelope {
            ingest_time: now,
            backfill: false,
            record: UserRecord::Tick,
        });
        let slate = stored::encode(&SlateEnvelope {
            ingest_time: now,
            backfill: false,
            record: SlateRecord::Tick,
        });
        for partition in Partition::all() {
            self.append(Topic::UserEvents, partition, user.clone())
                .await;
            self.append(Topic::SlateSignals, partition, slate.clone())
                .await;
        }
    }

    async fn show(&mut self, now: IngestTime) {
        let slate_id = SlateId::new(&format!("s{}", self.pick(20))).unwrap();
        let item = |number: u64| ShownItem {
            product: ProductId::new(&format!("p{number}")).unwrap(),
            score: Score::new(0.5).unwrap(),
            source: "popular".into(),
        };
        let partition = Partition::of(slate_id.as_str());
        let impression = Impression {
            slate_id,
            user_id: None,
            placement: PlacementId::new("home").unwrap(),
            at: EventTime(now.0),
            generation: 0,
            items: (0..4).map(item).collect(),
            anonymous_id: None,
            request_id: None,
        };
        let envelope = SlateEnvelope {
            ingest_time: now,
            backfill: false,
            record: SlateRecord::Shown(Box::new(impression)),
        };
        self.append(Topic::SlateSignals, partition, stored::encode(&envelope))
            .await;
    }

    async fn offer(&mut self, now: IngestTime) {
        let product = ProductId::new(&format!("p{}", self.pick(9))).unwrap();
        let version = self.events;
        let banned = self.pick(2) == 0;
        let record = match self.pick(2) {
            0 => ShopRecord::Offered(Box::new(Product::bare(product.clone(), EventTime(now.0)))),
            _ => ShopRecord::Ban {
                version,
                target: BanTarget::Product(product.clone()),
                banned,
            },
        };
        let everywhere = matches!(record, ShopRecord::Ban { .. });
        let envelope = stored::encode(&ShopEnvelope {
            ingest_time: now,
            record,
        });
        let own = Partition::of(product.as_str());
        for partition in Partition::all().filter(|partition| everywhere || *partition == own) {
            self.append(Topic::ShopProducts, partition, envelope.clone())
                .await;
        }
    }

    /// Ends of everything, and every position of every stage.
    pub(super) async fn outline(&self) -> BTreeMap<String, (Bounds, Vec<Option<Offset>>)> {
        let mut outline = BTreeMap::new();
        let names = [
            "user-stage",
            "product-stage",
            "slate-stage",
            "row-stage",
            "shop-stage",
        ];
        for &topic in Topic::ALL {
            for partition in Partition::all() {
                let source = format!("{topic}/{}", partition.0);
                let mut positions = Vec::new();
                for name in names {
                    let source = source.clone();
                    positions.push(
                        self.log
                            .committed(&Consumer { name, source })
                            .await
                            .unwrap(),
                    );
                }
                outline.insert(source, (self.log.bounds(topic, partition), positions));
            }
        }
        outline
    }
}

/// Replaces an object by other bytes of the same length.
pub(super) async fn damage(snapshots: &MemorySnapshots, path: &str, place: usize) {
    let mut bytes = snapshots.get(path).await.unwrap().unwrap().to_vec();
    let place = place % bytes.len();
    bytes[place] ^= 1;
    assert!(snapshots.delete(path).await.unwrap());
    snapshots.put(path, Bytes::from(bytes)).await.unwrap();
}
