//! The thread that asks how far partitions reach.
//!
//! For all partitions from time to time, and for a reader at the end that wants to be sure.

use super::{Quiet, Shared};
use crate::failure::{failed, unavailable};
use crate::log::checked;
use crate::options::KafkaOptions;
use crate::patience::patiently;
use crate::place::Place;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;

/// Rounds after which starts are asked for too: retention is slow.
const STARTS_EVERY: u32 = 40;

/// What the thread is asked.
pub(super) enum Ask {
    /// How far this place reaches now.
    Place(Place, oneshot::Sender<Result<(), PortError>>),
    /// To end.
    Stop,
}

/// Learns all bounds. Blocks.
pub(super) fn look(
    consumer: &BaseConsumer<Quiet>,
    shared: &Shared,
    limit: Duration,
) -> Result<(), PortError> {
    let all: Vec<Place> = shared.shelves.keys().copied().collect();
    for (place, start) in offsets(consumer, shared, &all, At::Beginning, limit)? {
        if let Some(shelf) = shared.shelves.get(&place) {
            shelf.raise_start(start);
        }
    }
    for (place, end) in offsets(consumer, shared, &all, At::End, limit)? {
        if let Some(shelf) = shared.shelves.get(&place) {
            shelf.raise_end(end);
        }
    }
    Ok(())
}

/// First or last stable offsets of places, waited for where leaders are being chosen.
fn offsets(
    consumer: &BaseConsumer<Quiet>,
    shared: &Shared,
    places: &[Place],
    at: At,
    limit: Duration,
) -> Result<Vec<(Place, Offset)>, PortError> {
    let doing = "ask for the bounds of partitions";
    let mut wanted = TopicPartitionList::with_capacity(places.len());
    let mut by_name = HashMap::with_capacity(places.len());
    for place in places {
        let name = shared.names.topic(place.source);
        wanted
            .add_partition_offset(name, place.number(), at)
            .map_err(|error| failed(doing, &error))?;
        by_name.insert((name, place.number()), *place);
    }
    let found = patiently(limit, |left| {
        checked(consumer.offsets_for_times(wanted.clone(), left)?)
    });
    let found = found.map_err(|error| failed(doing, &error))?;
    let mut all = Vec::with_capacity(places.len());
    for element in found.elements() {
        let place = by_name.get(&(element.topic(), element.partition()));
        match (place, element.offset()) {
            (Some(place), At::Offset(offset)) => all.push((*place, offset.max(0) as Offset)),
            // librdkafka spells "none" so.
            (Some(place), At::End) => all.push((*place, 0)),
            (_, other) => return Err(unavailable(format!("{doing}: answered {other:?}"))),
        }
    }
    Ok(all)
}

/// Starts the thread.
pub(super) fn start(
    consumer: &Arc<BaseConsumer<Quiet>>,
    shared: &Arc<Shared>,
    asks: mpsc::Receiver<Ask>,
    options: &KafkaOptions,
) -> Result<JoinHandle<()>, PortError> {
    let mut thread = Ends {
        consumer: Arc::clone(consumer),
        shared: Arc::clone(shared),
        limit: options.request_timeout,
        interval: options.refresh_interval,
        rounds: 0,
        is_failing: false,
    };
    std::thread::Builder::new()
        .name("kafka ends".to_owned())
        .spawn(move || thread.run(&asks))
        .map_err(|error| unavailable(error.to_string()))
}

struct Ends {
    consumer: Arc<BaseConsumer<Quiet>>,
    shared: Arc<Shared>,
    limit: Duration,
    interval: Duration,
    rounds: u32,
    is_failing: bool,
}

impl Ends {
    fn run(&mut self, asks: &mpsc::Receiver<Ask>) {
        let mut due = Instant::now() + self.interval;
        loop {
            match asks.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Ask::Place(place, reply)) => {
                    let mut waiting = vec![(place, reply)];
                    loop {
                        match asks.try_recv() {
                            Ok(Ask::Place(place, reply)) => waiting.push((place, reply)),
                            Ok(Ask::Stop) => return,
                            Err(_) => break,
                        }
                    }
                    self.answer(waiting);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let done = self.refresh();
                    if let Err(error) = &done
                        && !self.is_failing
                    {
                        tracing::warn!(%error, "bounds of partitions are not refreshed");
                    }
                    // Said once, not at every attempt.
                    self.is_failing = done.is_err();
                    due = Instant::now() + self.interval;
                }
                Ok(Ask::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Those who ask at the same time are answered by one request.
    fn answer(&self, waiting: Vec<(Place, oneshot::Sender<Result<(), PortError>>)>) {
        let mut places: Vec<Place> = waiting.iter().map(|(place, _)| *place).collect();
        places.sort_unstable();
        places.dedup();
        let asked = self.starts(&places).and_then(|()| self.ends(&places));
        for (_, reply) in waiting {
            let result = match &asked {
                Ok(()) => Ok(()),
                Err(error) => Err(crate::failure::again(error)),
            };
            // Whoever does not wait any more needs no answer.
            let _ = reply.send(result);
        }
    }

    fn refresh(&mut self) -> Result<(), PortError> {
        self.rounds += 1;
        // Those that are read here too: a reader that stands before a marker must learn that it may
        // pass it, else other processes take the marker for a record it has not come to.
        let places: Vec<Place> = self.shared.shelves.keys().copied().collect();
        self.ends(&places)?;
        if self.rounds.is_multiple_of(STARTS_EVERY) {
            let all: Vec<Place> = self.shared.shelves.keys().copied().collect();
            self.starts(&all)?;
        }
        Ok(())
    }

    fn ends(&self, places: &[Place]) -> Result<(), PortError> {
        if places.is_empty() {
            return Ok(());
        }
        let mut is_news = false;
        for (place, end) in offsets(&self.consumer, &self.shared, places, At::End, self.limit)? {
            if let Some(shelf) = self.shared.shelves.get(&place) {
                is_news |= shelf.raise_end(end);
            }
        }
        if is_news {
            self.shared.changed();
        }
        Ok(())
    }

    fn starts(&self, places: &[Place]) -> Result<(), PortError> {
        let asked = offsets(
            &self.consumer,
            &self.shared,
            places,
            At::Beginning,
            self.limit,
        )?;
        for (place, start) in asked {
            if let Some(shelf) = self.shared.shelves.get(&place) {
                shelf.raise_start(start);
            }
        }
        Ok(())
    }
}
