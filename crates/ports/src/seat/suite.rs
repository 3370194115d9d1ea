//! Tests that every [`Seat`] must pass. An adapter calls them with one line,
//! [`seat_suite!`](crate::seat_suite).

use super::{Assignment, Membership, Seat, TaskId};
use crate::log::{Append, BATCH_BYTES_MAX, Consumed, Consumer, EventLog, Offset, Records};
use crate::suite::{ok, refused};
use crate::{PortError, PortFuture};
use std::collections::BTreeSet;
use std::sync::Arc;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// Runs the whole suite on a [`SeatSubject`].
#[macro_export]
macro_rules! seat_suite {
    ($subject:expr) => {
        $crate::suite_tests!(
            seat,
            $subject,
            [
                every_task_is_assigned_once,
                nothing_is_there_before_the_commit_and_everything_after,
                a_commit_of_nothing_does_nothing,
                many_sends_are_one_transaction_in_order,
                positions_and_outputs_go_alone_too,
                transactions_follow_one_another,
                a_reset_takes_back_what_was_sent,
                an_earlier_life_cannot_move_what_a_later_one_moved,
                too_much_is_refused_and_leaves_nothing,
                a_member_left_behind_is_refused_and_told_so,
            ]
        );
    };
}

/// A place in which the suite takes a seat, empty at first.
pub trait SeatSubject: Sync {
    /// The adapter.
    type Seat: Seat;

    /// A new life of the same worker. Earlier ones may still be there.
    fn seat(&self) -> PortFuture<'_, Self::Seat>;

    /// The log behind it, as a consumer of committed outputs reads it.
    fn log(&self) -> Arc<dyn EventLog>;

    /// What the group shares out. The worker is alone in it.
    fn tasks(&self) -> Vec<TaskId>;

    /// Lets the group do what it has to do before the next poll.
    fn settle(&self) {}

    /// Makes the group go on without its members; `false` where that cannot happen.
    fn go_on(&self) -> bool {
        false
    }
}

const OUTPUT: Topic = Topic::ProductSignals;

/// Polls within which a group that does nothing else has assigned its tasks.
const POLLS_MAX: usize = 100;

fn append(partition: u16, texts: &[&str]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_bytes());
    }
    Append {
        topic: OUTPUT,
        partition: Partition(partition),
        records,
    }
}

fn consumer() -> Consumer {
    Consumer {
        name: "suite",
        source: "user-events/1".to_owned(),
    }
}

fn consumed(expected: Option<Offset>, next: Offset) -> Vec<Consumed> {
    vec![Consumed {
        consumer: consumer(),
        expected,
        next,
    }]
}

/// What a consumer reads of a partition of outputs, which may have gaps.
async fn texts(subject: &impl SeatSubject, partition: u16) -> Vec<String> {
    let log = subject.log();
    let (mut next, mut all) = (0, Vec::new());
    loop {
        let read = log.read(OUTPUT, Partition(partition), next, 1_000).await;
        let records = ok(read, "read");
        let Some(last) = records.last() else {
            return all;
        };
        next = last.offset + 1;
        let some = records.iter();
        all.extend(some.map(|one| String::from_utf8_lossy(&one.bytes).into_owned()));
    }
}

/// Polls until the worker was told of every task.
async fn assigned(subject: &impl SeatSubject, seat: &mut impl Seat) -> Vec<TaskId> {
    let mut all = Vec::new();
    for _ in 0..POLLS_MAX {
        for event in ok(seat.poll().await, "poll") {
            match event {
                Assignment::Assigned(tasks) => all.extend(tasks),
                other => panic!("only tasks were expected, not {other:?}"),
            }
        }
        if all.len() >= subject.tasks().len() {
            return all;
        }
        subject.settle();
    }
    panic!("only {all:?} assigned after {POLLS_MAX} polls");
}

async fn seated<S: SeatSubject>(subject: &S) -> (S::Seat, Membership) {
    let mut seat = ok(subject.seat().await, "seat");
    assigned(subject, &mut seat).await;
    match seat.membership() {
        Some(membership) => (seat, membership),
        None => panic!("no member, although it has tasks"),
    }
}

/// All tasks, each once, and no news after that.
pub async fn every_task_is_assigned_once<S: SeatSubject>(subject: &S) {
    let mut seat = ok(subject.seat().await, "seat");
    let tasks = assigned(subject, &mut seat).await;
    let (got, want) = (tasks.len(), subject.tasks());
    assert_eq!(got, want.len(), "{tasks:?}");
    let tasks: BTreeSet<TaskId> = tasks.into_iter().collect();
    assert_eq!(tasks, want.into_iter().collect());
    assert!(seat.membership().is_some());
    subject.settle();
    assert_eq!(ok(seat.poll().await, "poll"), []);
}

/// Outputs and positions become visible together.
pub async fn nothing_is_there_before_the_commit_and_everything_after<S: SeatSubject>(subject: &S) {
    let (mut seat, me) = seated(subject).await;
    ok(seat.send(vec![append(0, &["a", "b"])]).await, "send");
    let positions = seat.send_positions(consumed(None, 7), &me).await;
    ok(positions, "positions");
    assert!(texts(subject, 0).await.is_empty(), "before the commit");
    let log = subject.log();
    let before = ok(log.committed(&consumer()).await, "committed");
    assert_eq!(before, None);

    ok(seat.commit().await, "commit");
    assert_eq!(texts(subject, 0).await, ["a", "b"]);
    let after = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(after, Some(7));
}

/// Also as the very first call, and after a reset.
pub async fn a_commit_of_nothing_does_nothing<S: SeatSubject>(subject: &S) {
    let mut seat = ok(subject.seat().await, "seat");
    ok(seat.commit().await, "commit");
    ok(seat.reset().await, "reset");
    ok(seat.commit().await, "commit");
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, None);
    assert!(texts(subject, 0).await.is_empty());
}

/// In the order in which they were sent, in each partition.
pub async fn many_sends_are_one_transaction_in_order<S: SeatSubject>(subject: &S) {
    let (mut seat, me) = seated(subject).await;
    ok(seat.send(vec![append(0, &["a"])]).await, "send");
    let both = vec![append(1, &["x"]), append(0, &["b", ""])];
    ok(seat.send(both).await, "send");
    let positions = seat.send_positions(consumed(None, 3), &me).await;
    ok(positions, "positions");
    ok(seat.send(vec![append(0, &["c"])]).await, "send");
    assert!(texts(subject, 0).await.is_empty(), "before the commit");
    ok(seat.commit().await, "commit");
    assert_eq!(texts(subject, 0).await, ["a", "b", "", "c"]);
    assert_eq!(texts(subject, 1).await, ["x"]);
}

/// A transaction may have only one of them.
pub async fn positions_and_outputs_go_alone_too<S: SeatSubject>(subject: &S) {
    let (mut seat, me) = seated(subject).await;
    let positions = seat.send_positions(consumed(None, 4), &me).await;
    ok(positions, "positions");
    ok(seat.commit().await, "commit");
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, Some(4));
    ok(seat.send(vec![append(0, &["alone"])]).await, "send");
    ok(seat.commit().await, "commit");
    assert_eq!(texts(subject, 0).await, ["alone"]);
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, Some(4));
}

/// Each begins where the one before it ended.
pub async fn transactions_follow_one_another<S: SeatSubject>(subject: &S) {
    let (mut seat, me) = seated(subject).await;
    let mut expected = None;
    for round in 1..=5_u64 {
        let text = round.to_string();
        ok(seat.send(vec![append(0, &[&text])]).await, "send");
        let positions = seat.send_positions(consumed(expected, round * 10), &me);
        ok(positions.await, "positions");
        ok(seat.commit().await, "commit");
        expected = ok(seat.committed(&consumer()).await, "committed");
        assert_eq!(expected, Some(round * 10));
    }
    assert_eq!(texts(subject, 0).await, ["1", "2", "3", "4", "5"]);
}

/// Nothing of it comes with the next commit.
pub async fn a_reset_takes_back_what_was_sent<S: SeatSubject>(subject: &S) {
    let (mut seat, me) = seated(subject).await;
    ok(seat.send(vec![append(0, &["never"])]).await, "send");
    let positions = seat.send_positions(consumed(None, 9), &me).await;
    ok(positions, "positions");
    ok(seat.reset().await, "reset");
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, None);
    ok(seat.send(vec![append(0, &["kept"])]).await, "send");
    ok(seat.commit().await, "commit");
    assert_eq!(texts(subject, 0).await, ["kept"]);
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, None);
}

/// Whatever the earlier life had sent before.
pub async fn an_earlier_life_cannot_move_what_a_later_one_moved<S: SeatSubject>(subject: &S) {
    let (mut early, me) = seated(subject).await;
    ok(early.send(vec![append(0, &["early"])]).await, "send");
    let positions = early.send_positions(consumed(None, 5), &me).await;
    ok(positions, "positions");

    subject.go_on();
    let (mut late, me) = seated(subject).await;
    ok(late.reset().await, "reset");
    let found = ok(late.committed(&consumer()).await, "committed");
    assert_eq!(found, None);
    ok(late.send(vec![append(0, &["late"])]).await, "send");
    let positions = late.send_positions(consumed(None, 6), &me).await;
    ok(positions, "positions");
    ok(late.commit().await, "commit");

    refused(early.commit().await, "commit of an earlier life");
    assert_eq!(texts(subject, 0).await, ["late"]);
    let found = ok(late.committed(&consumer()).await, "committed");
    assert_eq!(found, Some(6));
}

/// When it is sent or at the commit.
pub async fn too_much_is_refused_and_leaves_nothing<S: SeatSubject>(subject: &S) {
    let (mut seat, _) = seated(subject).await;
    let mut records = Records::default();
    let megabyte = vec![7; 1_024 * 1_024];
    for _ in 0..=BATCH_BYTES_MAX / megabyte.len() {
        records.push(&megabyte);
    }
    let huge = Append {
        topic: OUTPUT,
        partition: Partition(1),
        records,
    };
    let sent = match seat.send(vec![append(0, &["small"]), huge]).await {
        Ok(()) => seat.commit().await,
        refused => refused,
    };
    let error = refused(sent, "too much");
    assert!(matches!(error, PortError::TooLarge { .. }), "{error:?}");
    ok(seat.reset().await, "reset");
    ok(seat.commit().await, "commit");
    assert!(texts(subject, 0).await.is_empty());
    ok(seat.send(vec![append(0, &["after"])]).await, "send");
    ok(seat.commit().await, "commit");
    assert_eq!(texts(subject, 0).await, ["after"]);
}

/// The membership captured before is refused, the loss is told at a poll, and after that it gets
/// its tasks anew.
pub async fn a_member_left_behind_is_refused_and_told_so<S: SeatSubject>(subject: &S) {
    let (mut seat, old) = seated(subject).await;
    if !subject.go_on() {
        return;
    }
    ok(seat.send(vec![append(0, &["never"])]).await, "send");
    let sent = seat.send_positions(consumed(None, 2), &old).await;
    let error = refused(sent, "positions of an old membership");
    assert!(matches!(error, PortError::Fenced { .. }), "{error:?}");
    ok(seat.reset().await, "reset");
    assert_eq!(ok(seat.poll().await, "poll"), [Assignment::Lost]);
    assert_eq!(seat.membership(), None);

    assigned(subject, &mut seat).await;
    let Some(new) = seat.membership() else {
        panic!("no member, although it has tasks");
    };
    assert_ne!(new, old);
    let sent = seat.send_positions(consumed(None, 2), &old).await;
    refused(sent, "positions of an old membership");
    ok(seat.reset().await, "reset");
    let sent = seat.send_positions(consumed(None, 3), &new).await;
    ok(sent, "positions");
    ok(seat.commit().await, "commit");
    assert!(texts(subject, 0).await.is_empty());
    let found = ok(seat.committed(&consumer()).await, "committed");
    assert_eq!(found, Some(3));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::{Broker, BrokerSeat, BrokerStep, Isolation};
    use crate::log::memory::MemoryLog;
    use crate::seat::solo::SoloSeat;

    fn some_tasks() -> Vec<TaskId> {
        let task = |partition| TaskId {
            topic: Topic::UserEvents,
            partition: Partition(partition),
        };
        (0..3).map(task).collect()
    }

    struct Solo(Arc<MemoryLog>);

    impl SeatSubject for Solo {
        type Seat = SoloSeat;

        fn seat(&self) -> PortFuture<'_, SoloSeat> {
            let log: Arc<dyn EventLog> = self.0.clone();
            Box::pin(async { Ok(SoloSeat::new(log, some_tasks())) })
        }

        fn log(&self) -> Arc<dyn EventLog> {
            self.0.clone()
        }

        fn tasks(&self) -> Vec<TaskId> {
            some_tasks()
        }
    }

    mod solo {
        use super::*;
        crate::seat_suite!(Solo(Arc::new(MemoryLog::new())));
    }

    /// Sits at the broker with a stable id, or with another one in each life.
    struct AtBroker(Broker);

    impl AtBroker {
        fn new() -> Self {
            let broker = Broker::new();
            broker.create_group(some_tasks());
            Self(broker)
        }
    }

    impl SeatSubject for AtBroker {
        type Seat = BrokerSeat;

        fn seat(&self) -> PortFuture<'_, BrokerSeat> {
            Box::pin(async { Ok(self.0.seat(0)) })
        }

        fn log(&self) -> Arc<dyn EventLog> {
            Arc::new(self.0.reader(Isolation::Committed))
        }

        fn tasks(&self) -> Vec<TaskId> {
            some_tasks()
        }

        fn settle(&self) {
            self.0.settle();
        }

        fn go_on(&self) -> bool {
            for step in self.0.enabled_steps() {
                if matches!(step, BrokerStep::Expire { .. }) {
                    assert!(self.0.take(step));
                }
            }
            true
        }
    }

    mod broker {
        use super::*;
        crate::seat_suite!(AtBroker::new());
    }
}
