//! Time and crashes: how long a checkpoint may take, how often they come, what a stop leaves.

use super::house::{House, restored, stores};
use bytes::Bytes;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use vitrina_engine::{CheckpointFloor, CheckpointOptions, Engine, verify};
use vitrina_ports::PortFuture;
use vitrina_ports::log::Offset;
use vitrina_ports::snapshots::memory::MemorySnapshots;
use vitrina_ports::snapshots::{SnapshotObject, SnapshotStore};
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::state::{Commit, StatePartition, StateStore, Versioned};

const SECOND: Duration = Duration::from_secs(1);

/// A store that may hang, and notes when manifests and first objects come.
#[derive(Default)]
struct Slow {
    inner: MemorySnapshots,
    hangs: AtomicBool,
    /// When an attempt put its first object, by its folder.
    began: Mutex<Vec<(String, Instant)>>,
}

impl SnapshotStore for Slow {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        let folder = path.rsplit_once('/').unwrap().0.to_owned();
        let mut began = self.began.lock();
        if began.last().is_none_or(|(last, _)| *last != folder) {
            began.push((folder, Instant::now()));
        }
        if self.hangs.load(Ordering::SeqCst) && began.last().is_some_and(|_| path.contains("rows"))
        {
            return Box::pin(std::future::pending());
        }
        self.inner.put(path, bytes)
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        self.inner.get(path)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        self.inner.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        self.inner.delete(path)
    }
}

/// Waits until so many checkpoints were begun, and answers when, in seconds after the first.
async fn begun(snapshots: &Slow, count: usize) -> Vec<u64> {
    let deadline = Instant::now() + 2_000 * SECOND;
    while snapshots.began.lock().len() < count {
        assert!(Instant::now() < deadline, "checkpoint {count} never comes");
        tokio::time::sleep(SECOND / 10).await;
    }
    let began = snapshots.began.lock();
    began
        .iter()
        .map(|(_, at)| at.duration_since(began[0].1).as_secs())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_takes_too_long_is_given_up_and_a_pause_follows() {
    let mut house = House::new(21);
    house.feed(60).await;
    house.work().await;
    house.options.checkpoints = CheckpointOptions {
        interval: 100 * SECOND,
        timeout: 150 * SECOND,
        pause: 60 * SECOND,
        // Every one writes something.
        full_every: 1,
        ..CheckpointOptions::default()
    };
    let snapshots = Arc::new(Slow::default());
    snapshots.hangs.store(true, Ordering::SeqCst);
    let stores = stores(&Arc::default(), &snapshots);
    let ports = house.ports(Arc::clone(&house.live) as _);
    let engine = Engine::start(ports, house.options.clone(), house.clock())
        .await
        .unwrap();
    let stop = watch::Sender::new(false);
    let running = tokio::spawn(house.checkpointer(stores).run(stop.subscribe()));
    // The first comes at once, hangs for 150 s, and the next one 60 s after that, not at 200 s.
    let began = begun(&snapshots, 2).await;
    assert!((206..215).contains(&began[1]), "{began:?}");
    assert!(
        list(&snapshots).await.is_empty(),
        "what was given up is none"
    );
    snapshots.hangs.store(false, Ordering::SeqCst);
    // The second hangs too; the third is quick, so the fourth comes an interval after it.
    let began = begun(&snapshots, 4).await;
    assert!((412..430).contains(&began[2]), "{began:?}");
    assert!((96..105).contains(&(began[3] - began[2])), "{began:?}");
    stop.send_replace(true);
    running.await.unwrap();
    assert!(!list(&snapshots).await.is_empty());
    engine.shutdown().await;
}

async fn list(snapshots: &Slow) -> Vec<String> {
    let found = vitrina_engine::list_checkpoints(snapshots).await.unwrap();
    found
        .good
        .iter()
        .map(|manifest| manifest.id.to_string())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_zero_interval_takes_none() {
    let mut house = House::new(22);
    house.options.checkpoints.interval = Duration::ZERO;
    let snapshots = Arc::new(Slow::default());
    let follower = house.checkpointer(stores(&Arc::default(), &snapshots));
    assert_eq!(follower.status(), None);
    follower.run(watch::Sender::new(false).subscribe()).await;
    assert!(snapshots.began.lock().is_empty());
    assert_eq!(CheckpointFloor::off().positions(), None);
}

/// A store that gives way before and after every call, so that a stop finds every place.
struct Yielding(Arc<MemoryState>);

impl StateStore for Yielding {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.get_many(partition, keys).await
        })
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.commit(commit).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.scan(partition, after, limit).await
        })
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        self.0.reached(partition, wanted)
    }
}

/// The same for snapshots.
struct YieldingSnapshots(Arc<MemorySnapshots>);

impl SnapshotStore for YieldingSnapshots {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.0.put(path, bytes).await?;
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        self.0.get(path)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        self.0.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        self.0.delete(path)
    }
}

/// Polls a future so often, then drops it; answers whether it came to its end.
fn polled(work: impl Future, polls: u64) -> bool {
    let mut work = pin!(work);
    let mut context = Context::from_waker(Waker::noop());
    (0..polls).any(|_| work.as_mut().poll(&mut context).is_ready())
}

#[tokio::test]
async fn a_follower_cut_off_anywhere_goes_on_from_its_own_position() {
    for seed in 30..33 {
        let mut house = House::new(seed);
        let state = Arc::new(MemoryState::with_crashes());
        let snapshots = Arc::new(MemorySnapshots::new());
        let yielding = Arc::new(YieldingSnapshots(Arc::clone(&snapshots)));
        let mut stores = stores(&Arc::default(), &yielding);
        stores.state = Arc::new(Yielding(Arc::clone(&state)));
        let mut follower = house.checkpointer(stores.clone());
        for round in 0..30 {
            house.feed(6).await;
            house.work().await;
            // Cut off at any place: in the middle of a turn, of a commit, of a checkpoint.
            let (polls, kind, survivors) = (house.pick(1_400), house.pick(4), house.pick(5));
            polled(follower.checkpoint(), polls);
            let before: u64 = positions(&state);
            match kind {
                0 => follower = house.checkpointer(stores.clone()),
                1 => {
                    // A power cut takes a tail of its state too.
                    state.crash(survivors as usize);
                    follower = house.checkpointer(stores.clone());
                }
                _ => {}
            }
            if kind != 1 {
                assert_eq!(positions(&state), before, "nothing begins anew");
            }
            if round % 5 == 4 {
                let manifest = follower.checkpoint().await.unwrap();
                state.flush();
                let dump = restored(&snapshots, &manifest.id).await.dump();
                assert_eq!(dump, house.live.dump(), "seed {seed}, round {round}");
                assert_eq!(
                    state.dump(),
                    house.live.dump(),
                    "seed {seed}, round {round}"
                );
            }
        }
    }
}

fn positions(state: &MemoryState) -> u64 {
    state.dump().iter().map(|(_, part)| part.position).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_beside_a_running_engine_restore_to_what_verifies() {
    let mut house = House::new(40);
    house.options.checkpoints.interval = Duration::from_millis(1);
    house.options.checkpoints.pause = Duration::from_millis(1);
    let ports = house.ports(Arc::clone(&house.live) as _);
    let engine = Engine::start(ports, house.options.clone(), house.clock())
        .await
        .unwrap();
    let snapshots = Arc::new(MemorySnapshots::new());
    assert_eq!(
        engine.status().checkpoints.and_then(|known| known.newest),
        None
    );
    engine
        .take_checkpoints(stores(&Arc::default(), &snapshots))
        .unwrap();
    let deadline = Instant::now() + 60 * SECOND;
    let mut seen = 0;
    while seen < 4 {
        assert!(Instant::now() < deadline, "no checkpoints come");
        house.feed(30).await;
        engine.settled().await;
        seen = vitrina_engine::list_checkpoints(&*snapshots)
            .await
            .unwrap()
            .good
            .len();
    }
    let status = engine.status().checkpoints.unwrap();
    assert!(
        status.newest.is_some() && status.failures == 0,
        "{status:?}"
    );
    engine.shutdown().await;
    let found = vitrina_engine::list_checkpoints(&*snapshots).await.unwrap();
    for manifest in [
        &found.good[0],
        &found.good[seen / 2],
        found.good.last().unwrap(),
    ] {
        let state = Arc::new(restored(&snapshots, &manifest.id).await);
        house.work_on(Arc::clone(&state) as _).await;
        let ports = house.ports(state as _);
        let verified = verify(&ports, &house.options).await.unwrap();
        assert_eq!(verified.differences, 0, "{:#?}", verified.examples);
    }
}
