//! Which checkpoints there are: what is torn is none, what is old goes.

use super::house::{House, damage, restored, stores};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrina_engine::{
    Checkpointer, EngineError, Manifest, list_checkpoints, newest_positions, restore_checkpoint,
};
use vitrina_ports::snapshots::memory::MemorySnapshots;
use vitrina_ports::snapshots::{SnapshotObject, SnapshotStore};
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::{PortError, PortFuture};

/// A store that notes what is deleted, and breaks down after so many calls.
struct Noting {
    inner: MemorySnapshots,
    deleted: Mutex<Vec<String>>,
    /// Deletions that still work.
    left: Mutex<usize>,
    /// Puts that still work.
    puts_left: Mutex<usize>,
    /// Whether manifests cannot be put.
    breaks_manifests: AtomicBool,
}

impl Noting {
    fn new() -> Self {
        Self {
            inner: MemorySnapshots::new(),
            deleted: Mutex::default(),
            left: Mutex::new(usize::MAX),
            puts_left: Mutex::new(usize::MAX),
            breaks_manifests: AtomicBool::new(false),
        }
    }
}

fn broken<'a, T: Send + 'a>() -> PortFuture<'a, T> {
    let (port, detail) = ("snapshots", "broken".to_owned());
    Box::pin(async { Err(PortError::Unavailable { port, detail }) })
}

impl SnapshotStore for Noting {
    fn put<'a>(&'a self, path: &'a str, bytes: Bytes) -> PortFuture<'a, ()> {
        let mut left = self.puts_left.lock();
        let is_manifest = path.ends_with("manifest.json");
        if *left == 0 || is_manifest && self.breaks_manifests.load(Ordering::SeqCst) {
            return broken();
        }
        *left -= 1;
        self.inner.put(path, bytes)
    }

    fn get<'a>(&'a self, path: &'a str) -> PortFuture<'a, Option<Bytes>> {
        self.inner.get(path)
    }

    fn list<'a>(&'a self, prefix: &'a str) -> PortFuture<'a, Vec<SnapshotObject>> {
        self.inner.list(prefix)
    }

    fn delete<'a>(&'a self, path: &'a str) -> PortFuture<'a, bool> {
        let mut left = self.left.lock();
        if *left == 0 {
            return broken();
        }
        *left -= 1;
        self.deleted.lock().push(path.to_owned());
        self.inner.delete(path)
    }
}

/// The ids of good checkpoints, and of damaged ones.
async fn ids(snapshots: &dyn SnapshotStore) -> (Vec<String>, Vec<String>) {
    let found = list_checkpoints(snapshots).await.unwrap();
    let good = found.good.iter().map(|manifest| manifest.id.to_string());
    let damaged = found.damaged.iter().map(|damaged| damaged.id.to_string());
    (good.collect(), damaged.collect())
}

/// A follower and its five checkpoints.
async fn five(
    house: &mut House,
    snapshots: &Arc<MemorySnapshots>,
) -> (Checkpointer, Vec<Manifest>) {
    let mut follower = house.checkpointer(stores(&Arc::default(), snapshots));
    let mut taken = Vec::new();
    for _ in 0..5 {
        house.feed(40).await;
        house.work().await;
        taken.push(follower.checkpoint().await.unwrap());
    }
    (follower, taken)
}

/// Takes an object that the last of them needs and the one before does not.
async fn take_one(snapshots: &MemorySnapshots, taken: &[Manifest]) {
    let needs = |n: usize| {
        let paths = taken[n].objects().map(|object| object.path.clone());
        paths.collect::<BTreeSet<_>>()
    };
    let own = needs(4).difference(&needs(3)).next().cloned().unwrap();
    assert!(snapshots.delete(&own).await.unwrap());
}

#[tokio::test]
async fn what_is_torn_is_never_listed_as_good() {
    let mut house = House::new(11);
    let snapshots = Arc::new(MemorySnapshots::new());
    let (_, taken) = five(&mut house, &snapshots).await;
    let id = |number: usize| taken[number].id.to_string();
    let manifest = |number: usize| format!("checkpoints/{}/manifest.json", id(number));
    // Without a manifest it is none, with a damaged one it is damaged.
    assert!(snapshots.delete(&manifest(1)).await.unwrap());
    for place in [0, 30, 100, 1_000] {
        damage(&snapshots, &manifest(2), place).await;
        let (good, damaged) = ids(&*snapshots).await;
        let want = (vec![id(0), id(3), id(4)], vec![id(2)]);
        assert_eq!((good, damaged), want, "at {place}");
        damage(&snapshots, &manifest(2), place).await;
    }
    let whole = (vec![id(0), id(2), id(3), id(4)], vec![]);
    assert_eq!(ids(&*snapshots).await, whole);
    take_one(&snapshots, &taken).await;
    let without_the_last = (vec![id(0), id(2), id(3)], vec![id(4)]);
    assert_eq!(ids(&*snapshots).await, without_the_last);
}

#[tokio::test]
async fn what_is_damaged_is_not_restored_and_nothing_is_built_on_it() {
    let mut house = House::new(11);
    let snapshots = Arc::new(MemorySnapshots::new());
    let (mut follower, taken) = five(&mut house, &snapshots).await;
    let manifest = format!("checkpoints/{}/manifest.json", taken[1].id);
    assert!(snapshots.delete(&manifest).await.unwrap());
    take_one(&snapshots, &taken).await;
    // Bytes of an object are changed: nobody sees it before all of them are read.
    let object = taken[3].objects().last().unwrap().path.clone();
    for place in [0, 4, 9, 77, 1_000_003] {
        damage(&snapshots, &object, place).await;
        let state = MemoryState::new();
        let error = restore_checkpoint(&*snapshots, &taken[3].id, &state)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EngineError::Port(PortError::Damaged { .. })),
            "{error}"
        );
        assert!(state.dump().is_empty(), "nothing was written");
        damage(&snapshots, &object, place).await;
    }
    for number in [1, 4] {
        let state = MemoryState::new();
        let error = restore_checkpoint(&*snapshots, &taken[number].id, &state)
            .await
            .unwrap_err();
        assert!(
            matches!(error, EngineError::Port(PortError::Damaged { .. })),
            "{error}"
        );
        assert!(state.dump().is_empty(), "nothing was written");
    }
    // The next checkpoint does not build on a damaged one.
    let next = follower.checkpoint().await.unwrap();
    assert_eq!(
        restored(&snapshots, &next.id).await.dump(),
        house.live.dump()
    );
}

#[tokio::test]
async fn the_newest_are_kept_with_all_they_need_and_nothing_else() {
    let mut house = House::new(12);
    house.options.checkpoints.keep = 3;
    house.options.checkpoints.full_every = 4;
    let snapshots = Arc::new(Noting::new());
    let mut follower = house.checkpointer(stores(&Arc::default(), &snapshots));
    let mut dumps = Vec::new();
    for round in 0..14 {
        house.feed(25).await;
        house.work().await;
        // Deleting breaks down now and then: the next time it goes on.
        *snapshots.left.lock() = if round % 3 == 1 { 2 } else { usize::MAX };
        snapshots.deleted.lock().clear();
        let manifest = follower.checkpoint().await.unwrap();
        dumps.push((manifest.id.to_string(), house.live.dump()));
        let deleted = std::mem::take(&mut *snapshots.deleted.lock());
        let objects_first = deleted
            .iter()
            .skip_while(|path| path.ends_with("manifest.json"));
        assert!(
            !objects_first
                .clone()
                .any(|path| path.ends_with("manifest.json")),
            "{deleted:?}"
        );
        let found = list_checkpoints(&*snapshots).await.unwrap();
        assert!(
            found.damaged.is_empty(),
            "round {round}: {:?}",
            found.damaged
        );
        let newest = dumps.len().saturating_sub(3);
        let good: Vec<_> = found
            .good
            .iter()
            .map(|manifest| manifest.id.to_string())
            .collect();
        let want: Vec<_> = dumps[newest..].iter().map(|(id, _)| id.clone()).collect();
        assert_eq!(good, want, "round {round}");
        for (manifest, (_, dump)) in found.good.iter().zip(&dumps[newest..]) {
            assert_eq!(
                &restored(&snapshots.inner, &manifest.id).await.dump(),
                dump,
                "{round}"
            );
        }
        if round % 3 != 1 {
            let needed = found.good.iter().flat_map(|manifest| {
                let objects = manifest.objects().map(|object| object.path.clone());
                objects.chain([format!("checkpoints/{}/manifest.json", manifest.id)])
            });
            let there = snapshots.list("checkpoints").await.unwrap();
            let there: BTreeSet<String> = there.into_iter().map(|object| object.path).collect();
            assert_eq!(there, needed.collect(), "round {round}");
        }
    }
    let floor = newest_positions(&*snapshots, None).await.unwrap().unwrap();
    let (_, newest) = dumps.last().unwrap();
    for (topic, partition, at) in floor {
        let end = newest
            .iter()
            .find(|(place, part)| place.partition == partition && part.position == at);
        assert!(at == 0 || end.is_some(), "{topic}/{} at {at}", partition.0);
    }
}

#[tokio::test]
async fn a_checkpoint_that_breaks_down_at_any_object_is_none_and_the_next_one_is_whole() {
    let mut house = House::new(13);
    house.feed(60).await;
    house.work().await;
    let snapshots = Arc::new(Noting::new());
    let stores = stores(&Arc::default(), &snapshots);
    let floor = Arc::clone(&stores.floor);
    let mut follower = house.checkpointer(stores);
    let mut newest = follower.checkpoint().await.unwrap();
    for round in 0..12 {
        house.feed(15).await;
        house.work().await;
        // At the last object of all, or at any before it.
        let is_last = round % 2 == 0;
        snapshots.breaks_manifests.store(is_last, Ordering::SeqCst);
        *snapshots.puts_left.lock() = match is_last {
            true => usize::MAX,
            false => house.pick(20) as usize,
        };
        let needs = floor.positions();
        assert!(follower.checkpoint().await.is_err(), "round {round}");
        snapshots.breaks_manifests.store(false, Ordering::SeqCst);
        *snapshots.puts_left.lock() = usize::MAX;
        let (good, damaged) = ids(&*snapshots).await;
        assert_eq!(good.last(), Some(&newest.id.to_string()), "round {round}");
        assert!(damaged.is_empty(), "round {round}: {damaged:?}");
        assert_eq!(
            floor.positions(),
            needs,
            "retention goes by the newest there is"
        );
        newest = follower.checkpoint().await.unwrap();
        let dump = restored(&snapshots.inner, &newest.id).await.dump();
        assert_eq!(dump, house.live.dump(), "round {round}");
    }
}
