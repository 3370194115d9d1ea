//! Random histories against the memory twin, with flushes, failed flushes, reopenings, orderly
//! stops and kills. The law: at any moment the store answers what the twin answers, and after a
//! kill it stands where the last flush left it.

use super::*;
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;
use vitrina_ports::state::memory::MemoryState;

/// One step of a history. Numbers are small so that keys and partitions meet again.
#[derive(Debug, Clone)]
enum Step {
    Commit {
        place: u8,
        /// Key and value; `None` deletes.
        changes: Vec<(u8, Option<u8>)>,
        is_stale: bool,
    },
    Flush,
    FailedFlush,
    Reopen,
    Stop,
    Kill,
}

fn step() -> impl Strategy<Value = Step> {
    let change = (0..12_u8, proptest::option::weighted(0.7, any::<u8>()));
    let changes = prop::collection::btree_map(0..12_u8, change.prop_map(|(_, v)| v), 0..6);
    let commit = (0..3_u8, changes, prop::bool::weighted(0.1));
    prop_oneof![
        12 => commit.prop_map(|(place, changes, is_stale)| Step::Commit {
            place,
            changes: changes.into_iter().collect(),
            is_stale,
        }),
        3 => Just(Step::Flush),
        1 => Just(Step::FailedFlush),
        1 => Just(Step::Reopen),
        1 => Just(Step::Stop),
        1 => Just(Step::Kill),
    ]
}

const PLACES: [StatePartition; 3] = [
    HERE,
    StatePartition {
        partition: Partition(4),
        ..HERE
    },
    THERE,
];

fn key(number: u8) -> String {
    // Some resident, of different lengths, some the beginning of others.
    if number >= 8 {
        return format!("~r/{}", "k".repeat(usize::from(number - 8)));
    }
    "k".repeat(usize::from(number % 3)) + &(number / 3).to_string()
}

struct World {
    dir: TempDir,
    bulk_bytes_min: usize,
    barrier_fails: Arc<AtomicBool>,
    state: EmbeddedState,
    twin: MemoryState,
}

impl World {
    fn new(bulk_bytes_min: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let barrier_fails = Arc::new(AtomicBool::new(false));
        let state = Self::open(&dir, &barrier_fails, bulk_bytes_min);
        Self {
            dir,
            bulk_bytes_min,
            barrier_fails,
            state,
            twin: MemoryState::with_crashes(),
        }
    }

    fn open(
        dir: &TempDir,
        barrier_fails: &Arc<AtomicBool>,
        bulk_bytes_min: usize,
    ) -> EmbeddedState {
        let fails = Arc::clone(barrier_fails);
        let options = StateOptions {
            before_flush: Box::new(move || match fails.load(Ordering::Relaxed) {
                true => Err(PortError::Closed { port: "log" }),
                false => Ok(()),
            }),
            bulk_bytes_min,
            ..no_barrier()
        };
        EmbeddedState::open(dir.path(), options).unwrap()
    }

    async fn apply(&mut self, step: Step) {
        match step {
            Step::Commit {
                place,
                changes,
                is_stale,
            } => {
                self.commit(PLACES[usize::from(place)], changes, is_stale)
                    .await
            }
            Step::Flush => {
                self.state.flush().unwrap();
                self.twin.flush();
            }
            Step::FailedFlush => {
                self.barrier_fails.store(true, Ordering::Relaxed);
                let _ = self.state.flush();
                self.barrier_fails.store(false, Ordering::Relaxed);
            }
            Step::Reopen => assert_eq!(self.state.reopen().unwrap(), []),
            Step::Stop => {
                self.state.close().unwrap();
                self.twin.flush();
                self.restart();
            }
            Step::Kill => {
                let killed = image(self.dir.path());
                self.twin.crash(0);
                self.dir = killed;
                self.restart();
            }
        }
    }

    fn restart(&mut self) {
        // The old state must let go of its lock before the same directory is opened again.
        let elsewhere = tempfile::tempdir().unwrap();
        self.state = Self::open(&elsewhere, &self.barrier_fails, self.bulk_bytes_min);
        self.state = Self::open(&self.dir, &self.barrier_fails, self.bulk_bytes_min);
    }

    async fn commit(
        &self,
        partition: StatePartition,
        changes: Vec<(u8, Option<u8>)>,
        is_stale: bool,
    ) {
        let position = self.twin.get_many(partition, &[]).await.unwrap().position;
        let changes = changes.into_iter().map(|(number, value)| Change {
            key: key(number),
            value: value.map(|value| Bytes::from(vec![value; usize::from(value)])),
        });
        let commit = Commit {
            partition,
            expected: position + u64::from(is_stale),
            next: position + 3,
            changes: changes.collect(),
        };
        let theirs = self.twin.commit(commit.clone()).await;
        let ours = self.state.commit(commit).await;
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
    }

    async fn compare(&self) {
        let keys: Vec<String> = (0..12).map(key).collect();
        for place in PLACES {
            let ours = self.state.get_many(place, &keys).await.unwrap();
            let theirs = self.twin.get_many(place, &keys).await.unwrap();
            assert_eq!(ours, theirs, "{place:?}");
            for (after, limit) in [
                (None, 100),
                (None, 2),
                (Some("k"), 3),
                (Some("~r/"), 3),
                (Some("kk1"), 100),
            ] {
                let ours = self.state.scan(place, after, limit).await.unwrap();
                let theirs = self.twin.scan(place, after, limit).await.unwrap();
                assert_eq!(ours, theirs, "{place:?} after {after:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The embedded store and its twin tell the same story, whichever way a flush takes.
    #[test]
    fn it_is_the_twin(
        steps in prop::collection::vec(step(), 1..60),
        bulk_bytes_min in prop_oneof![Just(0), 0..2_000_usize, Just(usize::MAX)],
    ) {
        block_on(async {
            let mut world = World::new(bulk_bytes_min);
            for step in steps {
                world.apply(step).await;
                world.compare().await;
            }
        });
    }
}
