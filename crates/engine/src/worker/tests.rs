//! What a worker does to its stages, seen by a stage that only notes it.

use super::*;
use crate::options::{EngineOptions, Ports};
use crate::stage::{StageId, Step};
use crate::topology;
use parking_lot::Mutex;
use vitrina_ports::broker::{Broker, BrokerStep};
use vitrina_ports::log::{Append, Consumed, Consumer, Offset, Records};
use vitrina_ports::seat::Membership;
use vitrina_ports::seat::solo::SoloSeat;
use vitrina_ports::state::Space;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// What was done to a stage, in order.
type Notes = Arc<Mutex<Vec<&'static str>>>;

/// Computes nothing; its commits fail if they are to.
struct Noting {
    notes: Notes,
    commits_fail: bool,
    /// Records of each turn.
    records: usize,
}

impl Noting {
    fn done<'a, T: Send + 'a>(&self, what: &'static str, answer: T) -> Step<'a, T> {
        self.notes.lock().push(what);
        Box::pin(async move { Ok(answer) })
    }
}

impl AnyStage for Noting {
    fn id(&self) -> StageId {
        StageId {
            space: Space::Users,
            name: "noting-stage",
            input: Topic::UserEvents,
        }
    }

    fn take(&mut self, _tasks: &[TaskId], _shared: &Shared) {
        self.notes.lock().push("take");
    }

    fn forget(&mut self, _tasks: Option<&[TaskId]>, _shared: &Shared) {
        self.notes.lock().push("forget");
    }

    fn doubt(&mut self) {
        self.notes.lock().push("doubt");
    }

    fn assign<'a>(&'a mut self, _shared: &'a Shared, _seat: &'a mut dyn Seat) -> Step<'a, ()> {
        self.done("assign", ())
    }

    fn process<'a>(
        &'a mut self,
        _batch: &'a mut Batch,
        _shared: &'a Shared,
        _seat: &'a mut dyn Seat,
    ) -> Step<'a, usize> {
        let records = self.records;
        self.done("process", records)
    }

    fn published(&mut self, _batch: &Batch) {
        self.notes.lock().push("published");
    }

    fn commit_due<'a>(&'a mut self, _is_idle: bool, _shared: &'a Shared) -> Step<'a, ()> {
        self.done("commit due", ())
    }

    fn commit<'a>(&'a mut self, _shared: &'a Shared) -> Step<'a, ()> {
        if self.commits_fail {
            self.notes.lock().push("commit failed");
            let (port, detail) = ("state", "was made to fail".to_owned());
            return Box::pin(async { Err(PortError::Unavailable { port, detail }.into()) });
        }
        self.done("commit", ())
    }

    fn recheck<'a>(&'a mut self, _shared: &'a Shared) -> Step<'a, ()> {
        self.done("recheck", ())
    }
}

/// A seat that is told to hand one task back, and may be unknown to its group.
struct Revoking(SoloSeat, Vec<TaskId>, bool);

/// The pace of [`Revoking`] seats: it matters to turns with records only.
const PACE: Duration = Duration::from_millis(50);

impl Seat for Revoking {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        let tasks = std::mem::take(&mut self.1);
        let told = (!tasks.is_empty()).then_some(Assignment::Revoked(tasks));
        Box::pin(async move { Ok(told.into_iter().collect()) })
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        self.0.release(tasks)
    }

    fn membership(&self) -> Option<Membership> {
        self.0.membership().filter(|_| self.2)
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        self.0.send(outputs)
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        self.0.send_positions(consumed, as_member)
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        self.0.commit()
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        self.0.reset()
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.0.committed(consumer)
    }

    fn pace(&self) -> Duration {
        PACE
    }
}

fn shared() -> Shared {
    let options = EngineOptions {
        idle_check_interval: Duration::from_millis(20),
        ..EngineOptions::default()
    };
    Shared::new(Ports::in_memory(), options, Arc::new(|| IngestTime(1_000)))
}

fn worker(shared: &Shared, revoked: Vec<TaskId>, commits_fail: bool) -> (Worker, Notes) {
    let notes = Notes::default();
    let stage = Noting {
        notes: Arc::clone(&notes),
        commits_fail,
        records: 0,
    };
    let seat = SoloSeat::new(Arc::clone(&shared.ports.log), Vec::new());
    let seat = Box::new(Revoking(seat, revoked, true));
    (Worker::new(seat, vec![Box::new(stage)], 0), notes)
}

/// The changes of a commit that failed are changes no more: a task that stays would go on without
/// them, and its next commit would leave them out of its state for good.
#[tokio::test]
async fn a_commit_that_fails_as_tasks_are_handed_back_puts_those_that_stay_in_doubt() {
    let shared = shared();
    let revoked = vec![TaskId {
        topic: Topic::UserEvents,
        partition: Partition(0),
    }];
    let (mut worker, notes) = worker(&shared, revoked, true);
    worker.turn(&shared).await.unwrap();
    let want = [
        "commit failed",
        "doubt",
        "forget",
        "assign",
        "process",
        "published",
        "commit due",
    ];
    assert_eq!(*notes.lock(), want);
}

/// On a busy log there is always news, for other tasks; idle state is looked at all the same.
#[tokio::test(start_paused = true)]
async fn idle_state_is_looked_at_although_the_log_never_rests() {
    let shared = Arc::new(shared());
    let (mut worker, notes) = worker(&shared, Vec::new(), false);
    let log = Arc::clone(&shared.ports.log);
    let busy = tokio::spawn(async move {
        loop {
            let mut records = Records::default();
            records.push(b"news");
            let append = Append {
                topic: Topic::ProductNew,
                partition: Partition(0),
                records,
            };
            log.append(vec![append]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    let (mut seen, began) = (0, Instant::now());
    while !notes.lock().contains(&"recheck") {
        assert!(began.elapsed() < Duration::from_secs(2), "never looked");
        worker.advance(&shared, &mut seen).await.unwrap();
    }
    busy.abort();
}

/// A batch after a rest begins at once; one on the heels of another waits for company.
#[tokio::test(start_paused = true)]
async fn batches_begin_no_faster_than_the_pace_of_the_seat() {
    let shared = Arc::new(shared());
    let stage = Noting {
        notes: Notes::default(),
        commits_fail: false,
        records: 1,
    };
    let seat = SoloSeat::new(Arc::clone(&shared.ports.log), Vec::new());
    let seat = Box::new(Revoking(seat, Vec::new(), true));
    let mut worker = Worker::new(seat, vec![Box::new(stage)], 0);
    let (mut seen, began) = (0, Instant::now());
    worker.advance(&shared, &mut seen).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    worker.advance(&shared, &mut seen).await.unwrap();
    assert_eq!(began.elapsed(), PACE);
    tokio::time::advance(2 * PACE).await;
    let rested = Instant::now();
    worker.advance(&shared, &mut seen).await.unwrap();
    assert_eq!(rested.elapsed(), Duration::ZERO);
}

/// A group takes its time to take somebody in; that is no error, and nothing is ended for it.
#[tokio::test]
async fn a_worker_without_tasks_waits_for_the_group_in_peace() {
    let shared = Arc::new(shared());
    let seat = SoloSeat::new(Arc::clone(&shared.ports.log), Vec::new());
    let seat = Box::new(Revoking(seat, Vec::new(), false));
    let mut worker = Worker::new(seat, topology::stages(&shared), 0);
    worker.start(&shared).await.unwrap();
    for _ in 0..3 {
        assert_eq!(worker.turn(&shared).await.unwrap(), Turn::Idle);
    }
}

/// What a worker has, this process knows without asking; what it handed over, it asks about.
#[tokio::test]
async fn tasks_come_later_and_go_again() {
    let broker = Broker::new();
    let task = TaskId {
        topic: Topic::UserEvents,
        partition: Partition(0),
    };
    broker.create_group(vec![task]);
    let shared = Arc::new(shared());
    let stages = topology::stages(&shared);
    let mut worker = Worker::new(Box::new(broker.seat(0)), stages, 0);
    worker.start(&shared).await.unwrap();
    assert_eq!(worker.turn(&shared).await.unwrap(), Turn::Idle);
    assert!(!shared.is_here(Space::Users, Partition(0)));
    broker.settle();
    assert_eq!(worker.turn(&shared).await.unwrap(), Turn::Moved);
    assert!(shared.is_here(Space::Users, Partition(0)));
    let revoke = |step: &BrokerStep| matches!(step, BrokerStep::Revoke { .. });
    let step = broker.enabled_steps().into_iter().find(revoke).unwrap();
    broker.take(step);
    broker.settle();
    assert_eq!(worker.turn(&shared).await.unwrap(), Turn::Moved);
    assert!(!shared.is_here(Space::Users, Partition(0)));
}
