//! A thread with a transactional producer: calls that come while it commits share the next
//! transaction.
//!
//! Who appends only has one a process. Who moves positions has one a consumer's name, with a
//! transactional id made of it: whoever initialises that id last owns the positions, and nobody
//! else can move them. A new owner first commits a mark. Once its reader has passed the mark,
//! every earlier transaction is decided, and what it read is what is committed.

use crate::client::{self, Producer};
use crate::delivery::{self, Delivery, send, send_all};
use crate::failure::{again, closed, failed, unavailable};
use crate::options::KafkaOptions;
use crate::place::{Names, Place, Source};
use crate::positions::{self, Positions};
use crate::reader::Reader;
use rdkafka::producer::Producer as _;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use vitrina_ports::PortError;
use vitrina_ports::log::{Append, BATCH_BYTES_MAX, Consumed, Offset};

/// Calls that wait for one publisher.
const JOBS_WAITING_MAX: usize = 1_024;
/// Calls in one transaction.
const JOBS_MAX: usize = 256;

/// What all publishers of a log share.
pub(crate) struct Wiring {
    pub(crate) options: KafkaOptions,
    pub(crate) names: Names,
    pub(crate) reader: Reader,
    pub(crate) positions: Positions,
}

/// One call.
struct Job {
    outputs: Vec<Append>,
    consumed: Vec<Consumed>,
    reply: oneshot::Sender<Result<Vec<Offset>, PortError>>,
}

impl Job {
    fn bytes(&self) -> usize {
        self.outputs.iter().map(|one| one.records.byte_len()).sum()
    }
}

/// The way to the thread. Its last clone dropped, the thread ends.
#[derive(Clone)]
pub(crate) struct Publisher {
    jobs: mpsc::Sender<Job>,
}

impl Publisher {
    /// Starts the thread. `name` is the consumer whose positions it moves, if any.
    pub(crate) fn start(
        wiring: &Arc<Wiring>,
        name: Option<&'static str>,
        runtime: tokio::runtime::Handle,
    ) -> Result<Self, PortError> {
        let (jobs, orders) = mpsc::channel(JOBS_WAITING_MAX);
        let id = match name {
            Some(name) => wiring.names.consumer(name),
            None => wiring.names.appends(&wiring.options.member),
        };
        let mut desk = Desk {
            wiring: Arc::clone(wiring),
            name,
            id,
            runtime,
            open: None,
        };
        std::thread::Builder::new()
            .name("kafka publish".to_owned())
            .spawn(move || desk.run(orders))
            .map_err(|error| unavailable(error.to_string()))?;
        Ok(Self { jobs })
    }

    /// Appends and moves, all or nothing; answers the next offset after each append.
    pub(crate) async fn publish(
        &self,
        outputs: Vec<Append>,
        consumed: Vec<Consumed>,
    ) -> Result<Vec<Offset>, PortError> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            outputs,
            consumed,
            reply,
        };
        self.jobs.send(job).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// A producer that owns its transactional id, and the positions as it moved them.
struct Open {
    producer: Producer,
    positions: HashMap<String, Offset>,
}

struct Desk {
    wiring: Arc<Wiring>,
    name: Option<&'static str>,
    id: String,
    runtime: tokio::runtime::Handle,
    /// `None` before the first call and after an error: neither a guess nor a retry is safe then.
    open: Option<Open>,
}

impl Desk {
    fn run(&mut self, mut orders: mpsc::Receiver<Job>) {
        let mut next = None;
        loop {
            let Some(first) = next.take().or_else(|| orders.blocking_recv()) else {
                return;
            };
            let mut bytes = first.bytes();
            let mut jobs = vec![first];
            while jobs.len() < JOBS_MAX
                && let Ok(job) = orders.try_recv()
            {
                bytes += job.bytes();
                if bytes > BATCH_BYTES_MAX {
                    next = Some(job);
                    break;
                }
                jobs.push(job);
            }
            self.transact(jobs);
        }
    }

    /// One transaction of all calls whose positions are as they believe.
    fn transact(&mut self, jobs: Vec<Job>) {
        let mut open = match self.open.take().map_or_else(|| self.begin_anew(), Ok) {
            Ok(open) => open,
            Err(error) => {
                for job in jobs {
                    // Whoever does not wait any more needs no answer.
                    let _ = job.reply.send(Err(again(&error)));
                }
                return;
            }
        };
        let (jobs, moved) = admitted(jobs, &open.positions);
        if jobs.is_empty() {
            self.open = Some(open);
            return;
        }
        match self.commit(&open.producer, &jobs, &moved) {
            Ok(ends) => {
                open.positions.extend(moved);
                self.open = Some(open);
                self.answer(jobs, ends);
            }
            Err(error) => {
                tracing::debug!(id = self.id, %error, "a transaction was given up");
                // Dropped without an end: the next owner of the id, or its time-out, aborts it.
                if open
                    .producer
                    .abort_transaction(self.wiring.options.request_timeout)
                    .is_ok()
                {
                    tracing::debug!(id = self.id, "it is aborted");
                }
                for job in jobs {
                    let _ = job.reply.send(Err(again(&error)));
                }
            }
        }
    }

    /// Takes over the id and reads the positions that its owner may move.
    fn begin_anew(&self) -> Result<Open, PortError> {
        let producer = client::transactional(&self.wiring.options, &self.id)?;
        let Some(name) = self.name else {
            return Ok(Open {
                producer,
                positions: HashMap::new(),
            });
        };
        let mark = [(format!("{name}\n"), 0)];
        let ends = self.commit(&producer, &[], &HashMap::from(mark))?;
        let end = ends.last().copied().unwrap_or_default();
        let of = self.wiring.positions.of(&self.wiring.reader, name, end);
        Ok(Open {
            producer,
            positions: self.runtime.block_on(of)?,
        })
    }

    /// Answers the next offset after each append, and at last after the positions.
    fn commit(
        &self,
        producer: &Producer,
        jobs: &[Job],
        moved: &HashMap<String, Offset>,
    ) -> Result<Vec<Offset>, PortError> {
        let (wiring, id) = (&self.wiring, &self.id);
        let limit = wiring.options.transaction_timeout;
        let appends: usize = jobs.iter().map(|job| job.outputs.len()).sum();
        producer
            .begin_transaction()
            .map_err(|error| failed(id, &error))?;
        let delivery = Delivery::new(appends + 1);
        let mut first = 0;
        for job in jobs {
            send_all(
                producer,
                &wiring.names,
                &job.outputs,
                &delivery,
                first,
                limit,
            )?;
            first += job.outputs.len();
        }
        let ticket = delivery.ticket(appends);
        let topic = wiring.names.topic(Source::Positions);
        for (key, next) in moved {
            let bytes = positions::encode(key, *next);
            let record = (&bytes[..], Some(key.as_bytes()));
            send(
                producer,
                topic,
                Place::POSITIONS.number(),
                record,
                &ticket,
                limit,
            )?;
        }
        delivery::commit(producer, &delivery, limit).map_err(|error| failed(id, &error))?;
        delivery.wait(limit)
    }

    fn answer(&self, jobs: Vec<Job>, mut ends: Vec<Offset>) {
        let reader = &self.wiring.reader;
        let position_end = ends.pop().unwrap_or_default();
        let outputs = jobs.iter().flat_map(|job| &job.outputs);
        let places = outputs.map(Place::target).zip(ends.iter().copied());
        reader.committed_up_to(places.chain([(Place::POSITIONS, position_end)]));
        let mut ends = ends.into_iter();
        for job in jobs {
            let own = job.outputs.iter().zip(ends.by_ref());
            // After an append without records nothing new is known.
            let own = own.map(|(append, end)| match append.records.is_empty() {
                true => reader.bounds(Place::target(append)).end,
                false => end,
            });
            let own = own.collect();
            let _ = job.reply.send(Ok(own));
        }
    }
}

/// The calls whose positions stand, one after the other, and where they move them to; the others
/// are refused.
fn admitted(
    jobs: Vec<Job>,
    committed: &HashMap<String, Offset>,
) -> (Vec<Job>, HashMap<String, Offset>) {
    let mut moved: HashMap<String, Offset> = HashMap::new();
    let mut admitted = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut own = HashMap::new();
        let mut refusal = None;
        for one in &job.consumed {
            let key = positions::key(&one.consumer);
            let found = own.get(&key).or_else(|| moved.get(&key));
            let found = found.or_else(|| committed.get(&key)).copied();
            if found != one.expected {
                refusal = Some(PortError::PositionMismatch {
                    what: format!("{} on {}", one.consumer.name, one.consumer.source),
                    expected: one.expected.unwrap_or(0),
                    found: found.unwrap_or(0),
                });
                break;
            }
            own.insert(key, one.next);
        }
        match refusal {
            Some(error) => {
                let _ = job.reply.send(Err(error));
            }
            None => {
                moved.extend(own);
                admitted.push(job);
            }
        }
    }
    (admitted, moved)
}
