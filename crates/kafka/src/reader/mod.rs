//! Reading ahead, committed records only.
//!
//! One consumer without a group reads every partition that somebody here asked for. Its
//! [`cursor`] thread takes records from the library onto a [`shelf`] a partition; another thread
//! asks for the [`ends`] of partitions. A read takes from the shelf and moves the cursor where it
//! must; `bounds` and `changed` only look at what the threads have learnt.

mod cursor;
mod ends;
mod foreign;
mod shelf;

use self::cursor::Command;
use self::ends::Ask;
use self::shelf::{Look, Shelf};
use crate::client;
use crate::failure::{closed, unavailable};
use crate::options::KafkaOptions;
use crate::place::{Names, Place};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use vitrina_ports::PortError;
use vitrina_ports::log::{Bounds, LogRecord, Offset};

/// How long a read that has some records waits for more that are known to be there.
const FILL_WAIT: Duration = Duration::from_millis(20);

/// Says nothing but what is wrong.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        client::tell(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "consumer of kafka");
    }
}

impl ConsumerContext for Quiet {}

/// Shelves of all partitions, and who fills them.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    asks: mpsc::Sender<Ask>,
    threads: Vec<JoinHandle<()>>,
    limit: Duration,
}

/// What the threads and the callers share.
struct Shared {
    names: Names,
    shelves: HashMap<Place, Shelf>,
    /// Counts what became readable.
    changes: watch::Sender<u64>,
}

impl Shared {
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

impl Reader {
    /// Asks for the bounds of all `places` and begins to follow them. Blocks.
    pub(crate) fn open(
        options: &KafkaOptions,
        names: &Names,
        places: &[Place],
    ) -> Result<Self, PortError> {
        let config = client::reading(options, &names.group());
        let consumer: Arc<BaseConsumer<Quiet>> = Arc::new(client::create(&config, Quiet)?);
        let shelves = places.iter().map(|place| (*place, Shelf::default()));
        let shared = Arc::new(Shared {
            names: names.clone(),
            shelves: shelves.collect(),
            changes: watch::Sender::new(0),
        });
        ends::look(&consumer, &shared, options.request_timeout)?;
        let (commands, orders) = mpsc::channel();
        let (asks, asked) = mpsc::channel();
        let ends = ends::start(&consumer, &shared, asked, options)?;
        let cursor = cursor::start(consumer, Arc::clone(&shared), commands.clone(), orders)?;
        Ok(Self {
            shared,
            commands,
            asks,
            threads: vec![ends, cursor],
            limit: options.request_timeout,
        })
    }

    /// What there is to read of a place, as far as it is known here; nothing of a place that
    /// there is not.
    pub(crate) fn bounds(&self, place: Place) -> Bounds {
        let shelf = self.shared.shelves.get(&place);
        shelf.map_or(Bounds::default(), Shelf::bounds)
    }

    /// Something of ours was committed there, up to `end`.
    pub(crate) fn committed_up_to(&self, ends: impl IntoIterator<Item = (Place, Offset)>) {
        let mut is_news = false;
        for (place, end) in ends {
            if let Some(shelf) = self.shared.shelves.get(&place) {
                is_news |= shelf.raise_end(end);
            }
        }
        if is_news {
            self.shared.changed();
        }
    }

    /// Waits for the count of changes to pass `seen`.
    pub(crate) async fn changed(&self, seen: u64) -> Result<u64, PortError> {
        let mut changes = self.shared.changes.subscribe();
        let now = changes.wait_for(|count| *count > seen).await;
        now.map(|count| *count).map_err(|_| closed())
    }

    /// Asks the broker how far a place reaches now.
    pub(crate) async fn fresh_end(&self, place: Place) -> Result<(), PortError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask::Place(place, reply);
        self.asks.send(ask).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Reads as [`EventLog::read`](vitrina_ports::log::EventLog::read) says.
    pub(crate) async fn read(
        &self,
        place: Place,
        from: Offset,
        bytes_max: usize,
    ) -> Result<Vec<LogRecord>, PortError> {
        let Some(shelf) = self.shared.shelves.get(&place) else {
            return Ok(Vec::new());
        };
        let mut bounds = shelf.bounds();
        if from >= bounds.end {
            self.fresh_end(place).await?;
            bounds = shelf.bounds();
        }
        if from < bounds.start {
            return Err(self.expired(place, from, bounds.start));
        }
        if from >= bounds.end {
            return Ok(Vec::new());
        }
        let _turn = shelf.turn.lock().await;
        self.take(shelf, (place, from), bytes_max, bounds.end).await
    }

    async fn take(
        &self,
        shelf: &Shelf,
        (place, from): (Place, Offset),
        bytes_max: usize,
        target: Offset,
    ) -> Result<Vec<LogRecord>, PortError> {
        let until = Instant::now() + self.limit;
        let (mut has_moved, mut some_until) = (false, None);
        loop {
            let mut news = pin!(shelf.news.notified());
            // Before the look: what comes after it is not missed.
            news.as_mut().enable();
            let now = Instant::now();
            let is_patient = some_until.is_none_or(|until| now < until);
            let (look, has_room) = shelf.look(from, bytes_max, target, is_patient);
            if has_room {
                self.order(Command::More(place))?;
            }
            match look {
                Look::Found(records) => return Ok(records),
                Look::Nothing => return Ok(Vec::new()),
                Look::Failed(error) => {
                    self.fresh_end(place).await?;
                    let start = shelf.bounds().start;
                    if from < start {
                        return Err(self.expired(place, from, start));
                    }
                    return Err(error);
                }
                Look::Elsewhere if !has_moved => {
                    has_moved = true;
                    self.order(Command::Go(place, from))?;
                }
                Look::Some => {
                    some_until.get_or_insert(now + FILL_WAIT);
                }
                Look::Elsewhere | Look::Wait => {}
            }
            if now >= until {
                let name = self.shared.names.topic(place.source);
                let detail = format!("nothing of {name}/{} from {from} on", place.partition);
                return Err(unavailable(detail));
            }
            let next = some_until.unwrap_or(until).min(until);
            // Late or not: the shelf says what to do.
            let _ = tokio::time::timeout_at(next, news).await;
        }
    }

    fn order(&self, command: Command) -> Result<(), PortError> {
        self.commands.send(command).map_err(|_| closed())
    }

    fn expired(&self, place: Place, wanted: Offset, start: Offset) -> PortError {
        PortError::Expired {
            what: format!(
                "{}/{}",
                self.shared.names.topic(place.source),
                place.partition
            ),
            wanted,
            start,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Where a thread has ended there is nobody to tell.
        let _ = self.asks.send(Ask::Stop);
        let _ = self.commands.send(Command::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
