//! A worker's seat in the group of workers, on Kafka.
//!
//! One OS thread a seat drives a consumer, for membership and committed positions only, and a
//! transactional producer. The data is read through the log: partitions of this consumer are
//! paused. The async side sends the thread one order at a time.

mod group;
mod thread;
mod transaction;

use self::thread::{Order, Polled};
use crate::failure::{closed, unavailable};
use crate::options::KafkaOptions;
use crate::place::Names;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use vitrina_ports::log::{Append, Consumed, Consumer, Offset};
use vitrina_ports::seat::{Assignment, Membership, Seat, TaskId};
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::topic::Topic;

/// A worker that asks for nothing this long is taken for stuck.
const STUCK: Duration = Duration::from_secs(5 * 60);

/// Which seat it is.
#[derive(Debug, Clone)]
pub struct SeatOptions {
    /// Stable number of the worker among all workers of the group, over all processes: it makes
    /// the transactional id. Of two living workers with one number
    /// the later one fences the earlier.
    pub slot: u32,
    /// Topics whose partitions the group shares out, those of one number together; the first has
    /// the most. The same for every worker of the group.
    pub topics: Vec<Topic>,
    /// A worker that calls nothing this long loses its tasks; at least the longest batch.
    pub stuck_after: Duration,
}

impl SeatOptions {
    /// The seat of worker `slot`, in a group that shares out `topics`.
    pub fn new(slot: u32, topics: Vec<Topic>) -> Self {
        Self {
            slot,
            topics,
            stuck_after: STUCK,
        }
    }
}

/// A seat in the group of workers.
///
/// Opened, it has initialised its transactional id, which ends whatever an earlier life left open;
/// it joins the group at its first [`poll`](Seat::poll). Dropped, it aborts what is open and leaves
/// the group; killed, its tasks go to others when its session expires.
///
/// [`Consumed::expected`] is not compared: the broker does not know it. After a call of the
/// transaction that failed or was abandoned, the next ones are refused until
/// [`reset`](Seat::reset).
pub struct KafkaSeat {
    /// `None` once it is dropped.
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
    name: String,
    membership: Option<Membership>,
    pace: Duration,
    /// A call of this transaction has begun and not succeeded.
    is_spoilt: bool,
}

impl KafkaSeat {
    /// Takes the seat. Topics must be there: open a [`KafkaLog`](crate::KafkaLog) first.
    ///
    /// # Errors
    /// `Unavailable` within [`KafkaOptions::request_timeout`] and
    /// [`transaction_timeout`](KafkaOptions::transaction_timeout) together; `Invalid` where a
    /// setting is wrong.
    pub async fn open(options: KafkaOptions, seat: SeatOptions) -> Result<Self, PortError> {
        let name = Names::new(&options.prefix).slot(seat.slot);
        let pace = options.commit_interval();
        let (orders, received) = mpsc::channel();
        let (ready, is_ready) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("kafka seat".to_owned())
            .spawn(move || thread::run(options, seat, &received, ready))
            .map_err(|error| unavailable(error.to_string()))?;
        is_ready.await.map_err(|_| closed())??;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
            name,
            membership: None,
            pace,
            is_spoilt: false,
        })
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, PortError>>) -> Order,
    ) -> Result<T, PortError> {
        let (reply, answer) = oneshot::channel();
        let orders = self.orders.as_ref().ok_or_else(closed)?;
        orders.send(order(reply)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// A call of the transaction, which is spoilt until the call has succeeded.
    async fn in_transaction(
        &mut self,
        order: impl FnOnce(oneshot::Sender<Result<(), PortError>>) -> Order,
    ) -> Result<(), PortError> {
        if std::mem::replace(&mut self.is_spoilt, true) {
            return Err(PortError::Fenced {
                what: self.name.clone(),
                detail: "an earlier call of the transaction failed, it must be reset".to_owned(),
            });
        }
        self.ask(order).await?;
        self.is_spoilt = false;
        Ok(())
    }
}

impl Drop for KafkaSeat {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing to clean up.
            let _ = thread.join();
        }
    }
}

impl Seat for KafkaSeat {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        Box::pin(async move {
            let Polled {
                changes,
                generation,
            } = self.ask(Order::Poll).await?;
            self.membership = generation.map(|generation| Membership {
                member: self.name.as_str().into(),
                generation,
            });
            Ok(changes)
        })
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        Box::pin(self.ask(|reply| Order::Release(tasks.to_vec(), reply)))
    }

    fn membership(&self) -> Option<Membership> {
        self.membership.clone()
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        Box::pin(self.in_transaction(|reply| Order::Send(outputs, reply)))
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        let is_me = *as_member.member == *self.name;
        let generation = is_me.then_some(as_member.generation);
        Box::pin(self.in_transaction(move |reply| Order::Positions(consumed, generation, reply)))
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        Box::pin(self.in_transaction(Order::Commit))
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.ask(Order::Reset).await?;
            self.is_spoilt = false;
            Ok(())
        })
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        Box::pin(self.ask(|reply| Order::Committed(consumer.clone(), reply)))
    }

    fn pace(&self) -> Duration {
        self.pace
    }
}
