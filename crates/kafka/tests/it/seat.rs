//! The seat: its suite, and what only Kafka has.

use crate::fixture::{broker, options, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, SeatOptions};
use vitrina_ports::PortFuture;
use vitrina_ports::log::{Append, Consumed, Consumer, EventLog, Offset};
use vitrina_ports::seat::suite::SeatSubject;
use vitrina_ports::seat::{Assignment, Membership, Seat, TaskId};
use vitrina_ports::suite::block_on;
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

const INPUT: Topic = Topic::UserEvents;
/// Far longer than the suite waits between two calls, and short enough to wait for.
const STUCK: std::time::Duration = std::time::Duration::from_secs(3);
const OUTPUT: Topic = Topic::ProductSignals;

/// Tells the subject whether a transaction of the seat is open.
struct Watched {
    seat: KafkaSeat,
    is_open: Arc<AtomicBool>,
}

impl Watched {
    fn opens(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::SeqCst);
    }
}

impl Seat for Watched {
    fn poll(&mut self) -> PortFuture<'_, Vec<Assignment>> {
        self.seat.poll()
    }

    fn release<'a>(&'a mut self, tasks: &'a [TaskId]) -> PortFuture<'a, ()> {
        self.seat.release(tasks)
    }

    fn membership(&self) -> Option<Membership> {
        self.seat.membership()
    }

    fn send(&mut self, outputs: Vec<Append>) -> PortFuture<'_, ()> {
        self.opens(true);
        self.seat.send(outputs)
    }

    fn send_positions<'a>(
        &'a mut self,
        consumed: Vec<Consumed>,
        as_member: &'a Membership,
    ) -> PortFuture<'a, ()> {
        self.opens(true);
        self.seat.send_positions(consumed, as_member)
    }

    fn commit(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async {
            self.seat.commit().await?;
            self.opens(false);
            Ok(())
        })
    }

    fn reset(&mut self) -> PortFuture<'_, ()> {
        Box::pin(async {
            self.seat.reset().await?;
            self.opens(false);
            Ok(())
        })
    }

    fn committed<'a>(&'a mut self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.seat.committed(consumer)
    }
}

struct AtBroker {
    options: KafkaOptions,
    log: Arc<KafkaLog>,
    is_open: Arc<AtomicBool>,
}

impl AtBroker {
    fn new(options: KafkaOptions) -> Self {
        let opened = block_on(KafkaLog::open(options.clone()));
        Self {
            options,
            log: Arc::new(opened.expect("log")),
            is_open: Arc::default(),
        }
    }
}

impl SeatSubject for AtBroker {
    type Seat = Watched;

    fn seat(&self) -> PortFuture<'_, Watched> {
        Box::pin(async {
            // Opening ends what an earlier life had open.
            let options = SeatOptions {
                stuck_after: STUCK,
                ..SeatOptions::new(0, vec![INPUT])
            };
            let seat = KafkaSeat::open(self.options.clone(), options).await?;
            self.is_open.store(false, Ordering::SeqCst);
            Ok(Watched {
                seat,
                is_open: Arc::clone(&self.is_open),
            })
        })
    }

    /// A commit is decided when it resolves, and seen a little later: its markers are written
    /// then. The suite looks at once, so what is decided is waited for.
    fn log(&self) -> Arc<dyn EventLog> {
        if !self.is_open.load(Ordering::SeqCst) {
            wait_until("all markers are written", || {
                crate::fixture::is_stable(&self.options, OUTPUT)
            });
        }
        self.log.clone()
    }

    fn tasks(&self) -> Vec<TaskId> {
        let all = (0..self.options.partitions).map(|partition| TaskId {
            topic: INPUT,
            partition: Partition(partition),
        });
        all.collect()
    }

    fn settle(&self) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }

    /// Nobody asks the seat for anything until it has left.
    fn go_on(&self) -> bool {
        crate::fixture::wait_until("the group is empty", || {
            crate::fixture::member_count(&self.options) == 0
        });
        true
    }
}

mod suite {
    use super::*;

    vitrina_ports::seat_suite!(match broker() {
        Some(address) => AtBroker::new(options(&address)),
        None => return,
    });
}
