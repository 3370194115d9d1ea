//! The thread that takes records from the library onto the shelves.
//!
//! Each partition has a queue of its own in the library, which stops fetching when it is full.
//! Queues wake the thread when something comes to an empty one; a reader wakes it when a full
//! shelf has room again. Markers of transactions are no records, but the library's position moves
//! over them: it says how far a shelf reaches.

use super::foreign::stored_form;
use super::{Quiet, Shared};
use crate::failure::{failed, unavailable};
use crate::place::Place;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use vitrina_ports::PortError;
use vitrina_ports::log::{LogRecord, Offset};

/// The consumer itself is polled this often, for its errors.
const POLL_EVERY: Duration = Duration::from_millis(100);
/// How long moving a cursor may take.
const SEEK_MAX: Duration = Duration::from_secs(5);
/// What a record takes of the room beside its bytes, so that empty ones are counted too.
const RECORD_BYTES: usize = size_of::<LogRecord>();

/// What the thread is told.
pub(super) enum Command {
    /// To read a place from here on.
    Go(Place, Offset),
    /// That there is something in a queue, or room on a shelf.
    More(Place),
    /// To end.
    Stop,
}

/// Starts the thread.
pub(super) fn start(
    consumer: Arc<BaseConsumer<Quiet>>,
    shared: Arc<Shared>,
    commands: mpsc::Sender<Command>,
    orders: mpsc::Receiver<Command>,
) -> Result<JoinHandle<()>, PortError> {
    let mut thread = Cursors {
        consumer,
        shared,
        commands,
        queues: HashMap::new(),
    };
    std::thread::Builder::new()
        .name("kafka reader".to_owned())
        .spawn(move || thread.run(&orders))
        .map_err(|error| unavailable(error.to_string()))
}

struct Cursors {
    consumer: Arc<BaseConsumer<Quiet>>,
    shared: Arc<Shared>,
    /// For the queues, which wake the thread.
    commands: mpsc::Sender<Command>,
    queues: HashMap<Place, PartitionQueue<Quiet>>,
}

impl Cursors {
    fn run(&mut self, orders: &mpsc::Receiver<Command>) {
        let mut polled = Instant::now();
        loop {
            let left = POLL_EVERY.saturating_sub(polled.elapsed());
            let mut more = HashSet::new();
            let mut next = orders.recv_timeout(left).ok();
            while let Some(command) = next {
                match command {
                    Command::Go(place, from) => {
                        if let Err(error) = self.go(place, from) {
                            self.fail(place, error);
                        }
                    }
                    Command::More(place) => {
                        more.insert(place);
                    }
                    Command::Stop => return,
                }
                next = orders.try_recv().ok();
            }
            for place in more {
                self.take(place);
            }
            self.pass_markers();
            if polled.elapsed() >= POLL_EVERY {
                polled = Instant::now();
                // Records come through the queues; here only errors do.
                if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
                    tracing::debug!(%error, "reader of kafka");
                }
            }
        }
    }

    fn fail(&self, place: Place, error: PortError) {
        if let Some(shelf) = self.shared.shelves.get(&place) {
            shelf.fail(error);
            shelf.news.notify_waiters();
        }
    }

    /// Moves the cursor of a place.
    fn go(&mut self, place: Place, from: Offset) -> Result<(), PortError> {
        let Some(shelf) = self.shared.shelves.get(&place) else {
            return Ok(());
        };
        let (name, number) = (self.shared.names.topic(place.source), place.number());
        let at = At::Offset(from as i64);
        let is_new = !self.queues.contains_key(&place);
        let has_moved = !is_new && self.consumer.seek(name, number, at, SEEK_MAX).is_ok();
        if !has_moved {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(name, number, at)
                .map_err(|error| failed("assign", &error))?;
            if is_new {
                let queue = self.consumer.split_partition_queue(name, number);
                let mut queue =
                    queue.ok_or_else(|| unavailable(format!("no queue for {name}/{number}")))?;
                let commands = self.commands.clone();
                queue.set_nonempty_callback(move || {
                    // The thread has ended: nobody reads any more.
                    let _ = commands.send(Command::More(place));
                });
                self.queues.insert(place, queue);
            } else {
                self.consumer
                    .incremental_unassign(&list)
                    .map_err(|error| failed("unassign", &error))?;
            }
            self.consumer
                .incremental_assign(&list)
                .map_err(|error| failed("assign", &error))?;
        }
        shelf.begin(from);
        shelf.news.notify_waiters();
        // What came between the two makes no queue nonempty any more.
        self.take(place);
        Ok(())
    }

    /// Takes what is in a queue, as far as there is room on the shelf.
    fn take(&self, place: Place) {
        let (Some(queue), Some(shelf)) = (self.queues.get(&place), self.shared.shelves.get(&place))
        else {
            return;
        };
        let (mut room, mut is_drained) = (shelf.room(), false);
        let mut records = Vec::new();
        while room > 0 {
            match queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    let bytes = stored_form(place, &message);
                    room = room.saturating_sub(bytes.len() + RECORD_BYTES);
                    records.push(LogRecord {
                        offset: message.offset().max(0) as Offset,
                        bytes,
                    });
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => {
                    let name = self.shared.names.topic(place.source);
                    let doing = format!("read {name}/{}", place.partition);
                    shelf.fail(failed(&doing, &error));
                    break;
                }
                None => {
                    is_drained = true;
                    break;
                }
            }
        }
        let is_news = match records.last() {
            Some(last) => shelf.raise_end(last.offset + 1),
            None => false,
        };
        shelf.fill(records, is_drained);
        shelf.news.notify_waiters();
        if is_news {
            self.shared.changed();
        }
    }

    /// Tells shelves that wait for something behind a marker how far the library has come.
    fn pass_markers(&self) {
        let shelves = &self.shared.shelves;
        let behind = self.queues.keys().filter_map(|place| {
            let shelf = shelves.get(place)?;
            shelf.is_behind().then_some((place, shelf))
        });
        let behind: Vec<(&Place, &super::Shelf)> = behind.collect();
        if behind.is_empty() {
            return;
        }
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        for (place, shelf) in behind {
            let name = self.shared.names.topic(place.source);
            let found = positions.find_partition(name, place.number());
            if let Some(At::Offset(position)) = found.map(|element| element.offset()) {
                shelf.passed(position.max(0) as Offset);
                shelf.news.notify_waiters();
            }
        }
    }
}

/// Whether the library goes on by itself.
fn is_passing(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    let code = error.rdkafka_error_code();
    !matches!(
        code,
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::TopicAuthorizationFailed
                | Code::UnknownTopic
                | Code::UnknownPartition
        )
    )
}
