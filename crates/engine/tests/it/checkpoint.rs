//! Checkpoints: restore and tail are the engine that never stopped, byte for byte.

mod house;
mod running;
mod shelf;

use house::{Dump, House, restored, stores};
use std::sync::Arc;
use vitrina_engine::{CheckpointId, EngineError, Manifest, drain, restore_checkpoint};
use vitrina_ports::PortError;
use vitrina_ports::PortFuture;
use vitrina_ports::log::{EventLog, Offset};
use vitrina_ports::snapshots::memory::MemorySnapshots;
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::state::{Commit, Space, StatePartition, StateStore, Versioned};
use vitrina_stream::RESIDENT_PREFIX;
use vitrina_types::topic::Topic;

/// Shops at random in the test command.
const SEEDS: u64 = 4;
/// Checkpoints of each.
const POINTS: u64 = 7;

/// Whether windows, sessions or bans are kept open in a space.
fn has_resident(dump: &Dump, space: Space) -> bool {
    let mut of_space = dump.iter().filter(|(at, _)| at.space == space);
    of_space.any(|(_, part)| {
        part.values
            .iter()
            .any(|(key, _)| key.starts_with(RESIDENT_PREFIX))
    })
}

/// Positions of a checkpoint lie at or below what the engine had published.
fn assert_not_ahead(manifest: &Manifest, seed: u64) {
    for point in &manifest.partitions {
        assert!(point.position <= point.published, "seed {seed}: {point:?}");
    }
}

#[tokio::test]
async fn restore_and_tail_are_live_byte_for_byte() {
    let mut open = [Space::Users, Space::Products, Space::Rows, Space::Shop].map(|s| (s, false));
    for seed in 0..SEEDS {
        let mut house = House::new(seed);
        let snapshots = Arc::new(MemorySnapshots::new());
        let mut follower = house.checkpointer(stores(&Arc::default(), &snapshots));
        let mut taken: Vec<CheckpointId> = Vec::new();
        for _ in 0..POINTS {
            let (count, ahead) = (house.pick(60), house.pick(10));
            house.feed(count).await;
            house.work().await;
            // Not applied by the engine yet: no part of the checkpoint.
            house.feed(ahead).await;
            let manifest = follower.checkpoint().await.unwrap();
            assert_not_ahead(&manifest, seed);
            taken.push(manifest.id);
        }
        house.feed(40).await;
        house.work().await;
        let (want, outline) = (house.live.dump(), house.outline().await);
        for (number, id) in taken.iter().enumerate() {
            let state = Arc::new(restored(&snapshots, id).await);
            for (space, is_open) in &mut open {
                *is_open |= has_resident(&state.dump(), *space);
            }
            house.work_on(Arc::clone(&state) as _).await;
            assert_eq!(state.dump(), want, "seed {seed}, checkpoint {number}");
        }
        assert_eq!(
            house.outline().await,
            outline,
            "seed {seed}: the log is as it was"
        );
    }
    for (space, is_open) in open {
        assert!(
            is_open,
            "something resident in {} was restored",
            space.name()
        );
    }
}

#[tokio::test]
async fn a_chain_of_changes_restores_the_same_as_everything() {
    for seed in 0..SEEDS {
        let mut house = House::new(seed);
        let (whole, chained) = (
            Arc::new(MemorySnapshots::new()),
            Arc::new(MemorySnapshots::new()),
        );
        let mut by_chain = house.checkpointer(stores(&Arc::default(), &chained));
        house.options.checkpoints.full_every = 1;
        let mut at_once = house.checkpointer(stores(&Arc::default(), &whole));
        let (mut layers, mut reused, mut bytes) = (0, 0, (0, 0));
        for round in 0..8 {
            // After the last but one, little happens.
            let count = if round == 7 { 2 } else { house.pick(50) };
            house.feed(count).await;
            house.work().await;
            let (full, changes) = (at_once.checkpoint().await, by_chain.checkpoint().await);
            let (full, changes) = (full.unwrap(), changes.unwrap());
            assert!(full.objects().all(|object| object.layer == 0));
            bytes = (full.bytes, changes.bytes);
            layers = layers.max(
                changes
                    .objects()
                    .map(|object| object.layer)
                    .max()
                    .unwrap_or(0),
            );
            let old = |path: &str| !path.contains(changes.id.as_str());
            reused += changes.objects().filter(|object| old(&object.path)).count();
            let want = restored(&whole, &full.id).await.dump();
            assert_eq!(
                restored(&chained, &changes.id).await.dump(),
                want,
                "seed {seed}, {round}"
            );
        }
        assert!(
            layers >= 4 && reused > 0,
            "seed {seed}: {layers} layers, {reused} reused"
        );
        assert!(bytes.1 < bytes.0, "seed {seed}: {bytes:?} bytes");
    }
}

#[tokio::test]
async fn a_follower_publishes_nothing_and_moves_nothing() {
    let mut house = House::new(1);
    house.feed(120).await;
    house.work().await;
    house.feed(30).await;
    let (outline, live) = (house.outline().await, house.live.dump());
    let state = Arc::new(MemoryState::new());
    let mut follower = house.checkpointer(stores(&state, &Arc::new(MemorySnapshots::new())));
    follower.checkpoint().await.unwrap();
    assert_eq!(house.outline().await, outline);
    assert_eq!(house.live.dump(), live, "the engine's state is its own");
    assert_eq!(state.dump(), live, "and the follower has come to the same");
    assert_eq!(
        house.log.calls_at_risk(),
        0,
        "on a log that holds it for good"
    );
}

#[tokio::test]
async fn restore_refuses_a_store_that_is_not_empty_and_leaves_it_as_it_was() {
    let mut house = House::new(2);
    house.feed(60).await;
    house.work().await;
    let snapshots = Arc::new(MemorySnapshots::new());
    let mut follower = house.checkpointer(stores(&Arc::default(), &snapshots));
    let id = follower.checkpoint().await.unwrap().id;
    let before = house.live.dump();
    let refused = restore_checkpoint(&*snapshots, &id, &*house.live)
        .await
        .unwrap_err();
    assert!(
        matches!(refused, EngineError::CheckpointRefused { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("is not empty"), "{refused}");
    assert_eq!(house.live.dump(), before);
}

/// A store that fails after so many commits.
struct Breaking(MemoryState, std::sync::atomic::AtomicI64);

impl StateStore for Breaking {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<bytes::Bytes>>>> {
        self.0.get_many(partition, keys)
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        if self.1.fetch_sub(1, std::sync::atomic::Ordering::SeqCst) <= 0 {
            let detail = "broken".to_owned();
            return Box::pin(async {
                Err(PortError::Unavailable {
                    port: "state",
                    detail,
                })
            });
        }
        self.0.commit(commit)
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, bytes::Bytes)>>> {
        self.0.scan(partition, after, limit)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.0.reached(partition, wanted)
    }
}

#[tokio::test]
async fn a_restore_that_was_cut_off_is_never_taken_for_a_state() {
    let mut house = House::new(3);
    house.feed(80).await;
    house.work().await;
    let snapshots = Arc::new(MemorySnapshots::new());
    let mut follower = house.checkpointer(stores(&Arc::default(), &snapshots));
    let id = follower.checkpoint().await.unwrap().id;
    let mut commits = 1;
    loop {
        let state = Arc::new(Breaking(MemoryState::new(), commits.into()));
        if restore_checkpoint(&*snapshots, &id, &*state).await.is_ok() {
            break;
        }
        let ports = house.ports(Arc::clone(&state) as _);
        let started = drain(&ports, &house.options, &house.clock()).await;
        assert!(
            matches!(started, Err(EngineError::CannotStart { .. })),
            "after {commits}"
        );
        let again = restore_checkpoint(&*snapshots, &id, &*state).await;
        assert!(
            matches!(again, Err(EngineError::CheckpointRefused { .. })),
            "after {commits}"
        );
        commits += 9;
    }
    assert!(commits > 100, "{commits} commits make a restore");
}

#[tokio::test]
async fn a_checkpoint_at_rest_is_taken_only_at_rest() {
    let mut house = House::new(4);
    house.feed(50).await;
    house.work().await;
    let snapshots = Arc::new(MemorySnapshots::new());
    let mut follower = house.checkpointer(stores(&Arc::default(), &snapshots));
    assert!(
        !follower.checkpoint().await.unwrap().at_rest,
        "nobody asked for rest"
    );
    house.feed(5).await;
    let refused = follower.checkpoint_at_rest().await.unwrap_err();
    assert!(
        matches!(refused, EngineError::CheckpointRefused { .. }),
        "{refused}"
    );
    house.work().await;
    let manifest = follower.checkpoint_at_rest().await.unwrap();
    assert!(manifest.at_rest);
    for point in &manifest.partitions {
        assert_eq!(point.position, point.published, "{point:?}");
    }
    let state = MemoryState::new();
    let report = restore_checkpoint(&*snapshots, &manifest.id, &state)
        .await
        .unwrap();
    assert!(report.at_rest && report.release == "0.1.0");
    assert_eq!(state.dump(), house.live.dump());
}

#[tokio::test]
async fn an_empty_follower_starts_from_the_newest_checkpoint_where_the_log_has_expired() {
    let mut house = House::new(5);
    house.feed(100).await;
    house.work().await;
    let snapshots = Arc::new(MemorySnapshots::new());
    let first = stores(&Arc::default(), &snapshots);
    let floor = Arc::clone(&first.floor);
    assert!(
        floor.positions().unwrap().is_empty(),
        "all is needed before the first"
    );
    let mut follower = house.checkpointer(first);
    follower.checkpoint().await.unwrap();
    house.feed(30).await;
    house.work().await;
    let needed = floor.positions().unwrap();
    assert!(
        needed
            .iter()
            .any(|(topic, _, at)| *topic == Topic::ProductSignals && *at > 0)
    );
    for (topic, partition, at) in needed {
        house.log.expire(topic, partition, at);
        assert_eq!(house.log.bounds(topic, partition).start, at);
    }
    let state = Arc::new(MemoryState::new());
    let mut second = house.checkpointer(stores(&state, &snapshots));
    let manifest = second.checkpoint().await.unwrap();
    assert_eq!(state.dump(), house.live.dump());
    let built_on = manifest
        .objects()
        .filter(|o| !o.path.contains(manifest.id.as_str()))
        .count();
    assert!(built_on > 0, "it goes on with the chain");
    assert_eq!(
        restored(&snapshots, &manifest.id).await.dump(),
        house.live.dump()
    );
}
