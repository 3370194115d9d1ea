//! The thread of a seat: one order at a time, and the group heard in between.
//!
//! It hears the group also while the worker works, so a long batch does not cost the membership.
//! A worker that asks for nothing for too long is stuck, and loses it.

use super::SeatOptions;
use super::group::Group;
use super::transaction::Transactions;
use crate::failure::{failed, is_loss};
use crate::options::KafkaOptions;
use crate::place::{Names, Place, Source};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, Consumed, Consumer, Offset};
use vitrina_ports::seat::{Assignment, TaskId};

/// The group is heard this often while there are no orders.
const HEAR_EVERY: Duration = Duration::from_millis(10);

type Reply<T> = oneshot::Sender<Result<T, PortError>>;

/// What a poll answers.
pub(super) struct Polled {
    pub(super) changes: Vec<Assignment>,
    pub(super) generation: Option<u64>,
}

/// A call of the seat.
pub(super) enum Order {
    Poll(Reply<Polled>),
    Release(Vec<TaskId>, Reply<()>),
    Send(Vec<Append>, Reply<()>),
    /// With the generation they are sent as; `None` as somebody else.
    Positions(Vec<Consumed>, Option<u64>, Reply<()>),
    Commit(Reply<()>),
    Reset(Reply<()>),
    Committed(Consumer, Reply<Option<Offset>>),
}

struct Sitting {
    names: Names,
    group: Group,
    transactions: Transactions,
}

/// Runs until the seat is dropped.
pub(super) fn run(
    options: KafkaOptions,
    seat: SeatOptions,
    orders: &mpsc::Receiver<Order>,
    ready: Reply<()>,
) {
    let names = Names::new(&options.prefix);
    let name = names.slot(seat.slot);
    let transactions = match Transactions::open(&options, name.clone()) {
        Ok(transactions) => transactions,
        Err(error) => {
            // Whoever does not wait any more needs no answer.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let mut sitting = Sitting {
        names,
        group: Group::new(&options, name, seat.topics),
        transactions,
    };
    let _ = ready.send(Ok(()));
    let mut asked = Instant::now();
    let mut heard = Instant::now();
    loop {
        match orders.recv_timeout(HEAR_EVERY) {
            Ok(order) => {
                asked = Instant::now();
                sitting.take(order);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if heard.elapsed() >= HEAR_EVERY {
            sitting.group.hear();
            heard = Instant::now();
        }
        if asked.elapsed() > seat.stuck_after && sitting.group.is_member() {
            sitting.group.give_up("the worker is stuck");
        }
    }
    sitting.transactions.leave();
    sitting.group.close();
}

impl Sitting {
    fn take(&mut self, order: Order) {
        // Whoever does not wait any more needs no answer.
        match order {
            Order::Poll(reply) => drop(reply.send(self.poll())),
            Order::Release(tasks, reply) => {
                self.group.release(&tasks);
                drop(reply.send(Ok(())));
            }
            Order::Send(outputs, reply) => drop(reply.send(self.transactions.send(&outputs))),
            Order::Positions(consumed, generation, reply) => {
                drop(reply.send(self.positions(&consumed, generation)));
            }
            Order::Commit(reply) => drop(reply.send(self.transactions.commit())),
            Order::Reset(reply) => drop(reply.send(self.transactions.reset())),
            Order::Committed(consumer, reply) => {
                let found = task(&consumer).and_then(|task| self.group.committed(task));
                drop(reply.send(found));
            }
        }
    }

    fn poll(&mut self) -> Result<Polled, PortError> {
        self.group.hear();
        self.group.refusal()?;
        let (changes, generation) = self.group.changes();
        if generation.is_none() {
            // Also after a loss: what it was told of is answered first, then it comes back.
            self.group.join()?;
        }
        Ok(Polled {
            changes,
            generation,
        })
    }

    fn positions(
        &mut self,
        consumed: &[Consumed],
        as_member: Option<u64>,
    ) -> Result<(), PortError> {
        let mut list = TopicPartitionList::with_capacity(consumed.len());
        for one in consumed {
            let TaskId { topic, partition } = task(&one.consumer)?;
            let name = self.names.topic(Source::Log(topic));
            list.add_partition_offset(name, i32::from(partition.0), At::Offset(one.next as i64))
                .map_err(|error| failed("send positions", &error))?;
        }
        // What the group has said meanwhile counts.
        self.group.hear();
        let metadata = self.group.metadata(as_member)?;
        let sent = self.transactions.send_positions(&list, metadata);
        sent.map_err(|(error, code)| {
            if code.is_some_and(is_loss) {
                self.group
                    .give_up("the group does not know this worker any more");
            }
            error
        })
    }
}

fn task(consumer: &Consumer) -> Result<TaskId, PortError> {
    Place::parse(&consumer.source).ok_or_else(|| PortError::Invalid {
        what: format!("a position in {}", consumer.source),
        expected: "a partition of a topic, as in user-events/7",
    })
}
