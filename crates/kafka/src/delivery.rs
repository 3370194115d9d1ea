//! Where records that were sent have come to.

use crate::client::Producer;
use crate::failure::{failed, unavailable};
use crate::place::{Names, Source};
use parking_lot::{Condvar, Mutex};
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, Offset};

/// How long a producer whose queue is full is left alone before the next attempt.
const FULL_PAUSE: Duration = Duration::from_millis(2);
/// Pause between two looks whether the library, too, is done with records that were heard of: it
/// takes some microseconds.
const DONE_PAUSE: Duration = Duration::from_micros(100);
/// The least that is left for a commit itself.
const COMMIT_LEAST: Duration = Duration::from_millis(1);

/// Several appends on their way, and what became of them.
pub(crate) struct Delivery {
    state: Mutex<State>,
    /// For a thread that waits.
    ended: Condvar,
    /// For a task that waits.
    woken: Notify,
}

struct State {
    /// One past the last record of each append.
    ends: Vec<Offset>,
    /// Records that nothing was heard of yet.
    left: usize,
    /// The first error, and where the record was to go.
    error: Option<(String, KafkaError)>,
}

/// Goes along with every record of one append.
pub(crate) struct Ticket {
    delivery: Arc<Delivery>,
    append: usize,
}

impl Delivery {
    /// For so many appends, none of which has sent a record yet.
    pub(crate) fn new(appends: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                ends: vec![0; appends],
                left: 0,
                error: None,
            }),
            ended: Condvar::new(),
            woken: Notify::new(),
        })
    }

    /// The ticket of one append.
    pub(crate) fn ticket(self: &Arc<Self>, append: usize) -> Arc<Ticket> {
        Arc::new(Ticket {
            delivery: Arc::clone(self),
            append,
        })
    }

    fn outcome(state: &State) -> Result<Vec<Offset>, PortError> {
        match &state.error {
            Some((doing, error)) => Err(failed(doing, error)),
            None => Ok(state.ends.clone()),
        }
    }

    /// Blocks until every record has arrived; answers the next offset after each append, 0 after
    /// one without records.
    pub(crate) fn wait(&self, limit: Duration) -> Result<Vec<Offset>, PortError> {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        while state.left > 0 {
            if self.ended.wait_until(&mut state, until).timed_out() {
                return Err(unavailable(format!("{} records on their way", state.left)));
            }
        }
        Self::outcome(&state)
    }

    /// The same for a task; the producer's own time-out bounds it.
    pub(crate) async fn arrived(&self) -> Result<Vec<Offset>, PortError> {
        loop {
            let woken = self.woken.notified();
            {
                let state = self.state.lock();
                if state.left == 0 {
                    return Self::outcome(&state);
                }
            }
            woken.await;
        }
    }

    fn sent(&self) {
        self.state.lock().left += 1;
    }

    fn heard(&self, append: usize, result: Result<Offset, (String, KafkaError)>) {
        let mut state = self.state.lock();
        match result {
            Ok(offset) => state.ends[append] = state.ends[append].max(offset + 1),
            Err(error) => {
                state.error.get_or_insert(error);
            }
        }
        state.left -= 1;
        if state.left == 0 {
            drop(state);
            self.ended.notify_all();
            self.woken.notify_one();
        }
    }
}

/// Sends one record. Where the queue is full it waits up to `patience`.
pub(crate) fn send(
    producer: &Producer,
    topic: &str,
    partition: i32,
    record: (&[u8], Option<&[u8]>),
    ticket: &Arc<Ticket>,
    patience: Duration,
) -> Result<(), PortError> {
    let until = Instant::now() + patience;
    ticket.delivery.sent();
    let (payload, key) = record;
    let mut next = BaseRecord::with_opaque_to(topic, Arc::clone(ticket))
        .partition(partition)
        .payload(payload);
    next.key = key;
    loop {
        let (error, back) = match producer.send(next) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
        if !is_full || Instant::now() >= until {
            let doing = sending(topic, partition);
            let refusal = failed(&doing, &error);
            ticket.delivery.heard(ticket.append, Err((doing, error)));
            return Err(refusal);
        }
        std::thread::sleep(FULL_PAUSE);
        next = back;
    }
}

/// Commits the open transaction, in which `delivery` was sent, within `limit`.
///
/// It would wait for the records itself, but in steps of 100 ms: the library's flush looks, polls for
/// events to the end of such a step, and looks again. So they are waited for here.
pub(crate) fn commit(producer: &Producer, delivery: &Delivery, limit: Duration) -> KafkaResult<()> {
    let until = Instant::now() + limit;
    // A record that failed, or never came, prevents the commit, which says so.
    drop(delivery.wait(limit));
    while producer.in_flight_count() > 0 && Instant::now() < until {
        std::thread::sleep(DONE_PAUSE);
    }
    let left = until.saturating_duration_since(Instant::now());
    producer.commit_transaction(left.max(COMMIT_LEAST))
}

fn sending(topic: &str, partition: i32) -> String {
    format!("send to {topic}/{partition}")
}

/// Sends every record of `appends`; the first of them is number `first` of the delivery.
pub(crate) fn send_all(
    producer: &Producer,
    names: &Names,
    appends: &[Append],
    delivery: &Arc<Delivery>,
    first: usize,
    patience: Duration,
) -> Result<(), PortError> {
    for (append, number) in appends.iter().zip(first..) {
        let ticket = delivery.ticket(number);
        let topic = names.topic(Source::Log(append.topic));
        let partition = i32::from(append.partition.0);
        for record in append.records.iter() {
            send(
                producer,
                topic,
                partition,
                (record, None),
                &ticket,
                patience,
            )?;
        }
    }
    Ok(())
}

/// Hears of every record of a producer.
pub(crate) struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, fac: &str, text: &str) {
        crate::client::tell(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "producer of kafka");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Arc<Ticket>) {
        let heard = match result {
            Ok(message) => Ok(message.offset().max(0) as Offset),
            Err((error, message)) => {
                let doing = sending(message.topic(), message.partition());
                Err((doing, error.clone()))
            }
        };
        ticket.delivery.heard(ticket.append, heard);
    }
}
