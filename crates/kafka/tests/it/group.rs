//! Several seats in one group.

use crate::fixture::{append, consumed, options_or_return, producer, send_position};
use rdkafka::producer::Producer;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, SeatOptions};
use vitrina_ports::PortError;
use vitrina_ports::log::EventLog;
use vitrina_ports::seat::{Assignment, Seat, TaskId};
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const INPUT: Topic = Topic::UserEvents;
const DEADLINE: Duration = Duration::from_secs(30);
/// Pause between two polls of a seat that has nothing to do.
const PAUSE: Duration = Duration::from_millis(20);
/// Polls within which a group that does not wait would have moved a task several times over.
const QUIET_POLLS: usize = 50;

fn all_tasks(options: &KafkaOptions) -> BTreeSet<TaskId> {
    let task = |partition| TaskId {
        topic: INPUT,
        partition: Partition(partition),
    };
    (0..options.partitions).map(task).collect()
}

/// A worker's seat, and what it was told it has.
struct Worker {
    seat: KafkaSeat,
    owns: BTreeSet<TaskId>,
    revoked: Vec<TaskId>,
    losses: usize,
}

impl Worker {
    async fn open(options: &KafkaOptions, slot: u32) -> Self {
        let seat = SeatOptions::new(slot, vec![INPUT]);
        Self::with(options, seat).await
    }

    async fn with(options: &KafkaOptions, seat: SeatOptions) -> Self {
        Self {
            seat: ok(KafkaSeat::open(options.clone(), seat).await, "seat"),
            owns: BTreeSet::new(),
            revoked: Vec::new(),
            losses: 0,
        }
    }

    async fn poll(&mut self) {
        for change in ok(self.seat.poll().await, "poll") {
            match change {
                Assignment::Assigned(tasks) => self.owns.extend(tasks),
                Assignment::Revoked(tasks) => self.revoked.extend(tasks),
                Assignment::Lost => {
                    self.owns.clear();
                    self.revoked.clear();
                    self.losses += 1;
                }
            }
        }
    }

    async fn poll_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + DEADLINE;
        while !is_so(self) {
            assert!(Instant::now() < until, "{what}: owns {:?}", self.owns);
            self.poll().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn release(&mut self) {
        let tasks = std::mem::take(&mut self.revoked);
        ok(self.seat.release(&tasks).await, "release");
        self.owns.retain(|task| !tasks.contains(task));
    }
}

/// A task changes hands only once it is released, and is owned once; a membership from before is
/// refused; what a worker that died had goes to those that are left.
#[test]
fn tasks_move_when_they_are_released_and_not_before() {
    let mut options = options_or_return!();
    // The shortest that a broker takes by default.
    options.session_timeout = Duration::from_secs(6);
    block_on(async {
        let _log = ok(KafkaLog::open(options.clone()).await, "open");
        let all = all_tasks(&options);
        let mut first = Worker::open(&options, 0).await;
        first
            .poll_until("all tasks", |worker| worker.owns == all)
            .await;
        let old = first.seat.membership().expect("a member");

        let mut second = Worker::open(&options, 1).await;
        second.poll().await;
        first
            .poll_until("to be asked", |worker| !worker.revoked.is_empty())
            .await;
        for _ in 0..QUIET_POLLS {
            first.poll().await;
            second.poll().await;
            assert!(
                second.owns.is_empty(),
                "before it was released: {:?}",
                second.owns
            );
            tokio::time::sleep(PAUSE).await;
        }
        let moved: BTreeSet<TaskId> = first.revoked.iter().copied().collect();
        first.release().await;
        let until = Instant::now() + DEADLINE;
        while second.owns != moved {
            assert!(Instant::now() < until, "{:?} of {moved:?}", second.owns);
            second.poll().await;
            first.poll().await;
            tokio::time::sleep(PAUSE).await;
        }
        assert!(first.owns.is_disjoint(&second.owns));
        assert_eq!(
            first
                .owns
                .union(&second.owns)
                .copied()
                .collect::<BTreeSet<_>>(),
            all
        );

        ok(
            first.seat.send(vec![append(INPUT, 0, &["never"])]).await,
            "send",
        );
        let stale = first
            .seat
            .send_positions(vec![consumed("user-events/0", None, 7)], &old);
        let error = refused(stale.await, "a membership from before");
        assert!(matches!(error, PortError::Fenced { .. }), "{error:?}");
        ok(first.seat.reset().await, "reset");

        drop(second);
        first
            .poll_until("what the other had", |worker| worker.owns == all)
            .await;
        assert_eq!(first.losses, 0);
    });
}

/// Whoever keeps what was revoked is out of the group.
#[test]
fn a_worker_that_does_not_release_loses_its_place() {
    let mut options = options_or_return!();
    options.release_timeout = Duration::from_millis(500);
    block_on(async {
        let _log = ok(KafkaLog::open(options.clone()).await, "open");
        let all = all_tasks(&options);
        let mut first = Worker::open(&options, 0).await;
        first
            .poll_until("all tasks", |worker| worker.owns == all)
            .await;
        let old = first.seat.membership().expect("a member");
        let mut second = Worker::open(&options, 1).await;
        second.poll().await;
        first
            .poll_until("the loss", |worker| worker.losses > 0)
            .await;
        let stale = first
            .seat
            .send_positions(vec![consumed("user-events/0", None, 7)], &old);
        let error = refused(stale.await, "a membership that was lost");
        assert!(matches!(error, PortError::Fenced { .. }), "{error:?}");
    });
}

/// It lives, and the group sees it living, but it does nothing.
#[test]
fn a_worker_that_is_stuck_loses_its_place() {
    let options = options_or_return!();
    block_on(async {
        let _log = ok(KafkaLog::open(options.clone()).await, "open");
        let seat = SeatOptions {
            stuck_after: Duration::from_millis(300),
            ..SeatOptions::new(0, vec![INPUT])
        };
        let mut worker = Worker::with(&options, seat).await;
        let all = all_tasks(&options);
        worker
            .poll_until("all tasks", |worker| worker.owns == all)
            .await;
        // Doing nothing for a while is what is tested.
        tokio::time::sleep(Duration::from_millis(900)).await;
        worker.poll().await;
        assert_eq!(worker.losses, 1);
        worker
            .poll_until("all tasks again", |worker| worker.owns == all)
            .await;
    });
}

/// A position that an open transaction may still move is none yet; of the log it is asked as it
/// stands.
#[test]
fn a_position_that_may_still_move_is_waited_for() {
    let options = options_or_return!();
    block_on(async {
        let log = ok(KafkaLog::open(options.clone()).await, "open");
        let other = producer(&options, "engine-1");
        let who = consumed("user-events/0", None, 0).consumer;
        let mut worker = Worker::open(&options, 0).await;
        assert_eq!(ok(worker.seat.committed(&who).await, "committed"), None);

        other.begin_transaction().unwrap();
        send_position(&other, &options, 7);
        assert_eq!(ok(log.committed(&who).await, "committed"), None);
        let mut asked = worker.seat.committed(&who);
        let early = tokio::time::timeout(Duration::from_millis(700), &mut asked).await;
        assert!(early.is_err(), "answered {early:?} while it may move");
        other.commit_transaction(DEADLINE).unwrap();
        assert_eq!(ok(asked.await, "committed"), Some(7));
    });
}
