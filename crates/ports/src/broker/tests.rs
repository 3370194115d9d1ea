//! Tests of the broker: one file a subject, the last one a small simulation.

use super::*;
use crate::log::{Append, Consumed, EventLog, Records};
use crate::seat::{Assignment, Seat};
use crate::suite::block_on;
use crate::{PortError, PortFuture};

mod crashes;
mod group;
mod records;
mod simulation;
mod state;
mod transactions;

const INPUT: Topic = Topic::UserEvents;
const OUTPUT: Topic = Topic::ProductSignals;
const P0: Partition = Partition(0);

fn append(topic: Topic, partition: Partition, texts: &[&str]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_bytes());
    }
    Append {
        topic,
        partition,
        records,
    }
}

fn output(texts: &[&str]) -> Vec<Append> {
    vec![append(OUTPUT, P0, texts)]
}

fn task(partition: u16) -> TaskId {
    TaskId {
        topic: INPUT,
        partition: Partition(partition),
    }
}

fn consumer(partition: u16) -> Consumer {
    Consumer {
        name: "stage",
        source: format!("{INPUT}/{partition}"),
    }
}

fn consumed(next: Offset) -> Vec<Consumed> {
    vec![Consumed {
        consumer: consumer(0),
        expected: None,
        next,
    }]
}

/// A seat that is a member, with who it is.
async fn joined(broker: &Broker, slot: u32) -> (BrokerSeat, Membership) {
    let mut seat = broker.seat(slot);
    seat.poll().await.unwrap();
    let me = seat.membership().unwrap();
    (seat, me)
}

/// What is committed in the first partition of outputs, with offsets.
fn outputs(broker: &Broker) -> Vec<(Offset, String)> {
    let records = broker.committed_records(OUTPUT, P0).into_iter();
    records
        .map(|(offset, bytes)| (offset, String::from_utf8_lossy(&bytes).into_owned()))
        .collect()
}

fn texts(broker: &Broker) -> Vec<String> {
    outputs(broker).into_iter().map(|(_, text)| text).collect()
}

/// Takes the only step that can be taken among those that `is_wanted`.
#[track_caller]
fn take(broker: &Broker, is_wanted: impl Fn(&BrokerStep) -> bool) {
    let mut steps = broker.enabled_steps();
    steps.retain(is_wanted);
    assert_eq!(steps.len(), 1, "{steps:?}\n{}", broker.dump());
    assert!(broker.take(steps[0]));
}

fn is_expire_of(slot: u32) -> impl Fn(&BrokerStep) -> bool {
    move |step| matches!(step, BrokerStep::Expire { slot: of, .. } if *of == slot)
}

fn is_time_out(step: &BrokerStep) -> bool {
    matches!(step, BrokerStep::TimeOut { .. })
}

fn is_fenced<T>(result: &Result<T, PortError>) -> bool {
    matches!(result, Err(PortError::Fenced { .. }))
}
