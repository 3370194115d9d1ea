//! Who waits for which partition to move.
//!
//! Commits of this process wake them at once. Those of other processes are found by asking: one
//! task asks for the partitions that are waited for, each once a round however many wait, and for
//! nothing while nobody waits.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use vitrina_ports::log::Offset;
use vitrina_ports::state::StatePartition;

/// The pause before the first question, and after one that found something.
pub(crate) const POLL_MIN: Duration = Duration::from_millis(2);
/// The longest pause between two questions: what `after=` may be late by.
pub(crate) const POLL_MAX: Duration = Duration::from_millis(20);

/// The places where somebody waits.
#[derive(Default)]
pub(crate) struct Waiting {
    places: Mutex<HashMap<StatePartition, Place>>,
    newcomer: Notify,
}

struct Place {
    position: watch::Sender<Offset>,
    waiters: usize,
}

impl Waiting {
    /// Begins to wait: what is told from now on is seen.
    pub(crate) fn enter(&self, partition: StatePartition) -> Waiter<'_> {
        let mut places = self.places.lock();
        let place = places.entry(partition).or_insert_with(|| Place {
            position: watch::Sender::new(0),
            waiters: 0,
        });
        place.waiters += 1;
        let told = place.position.subscribe();
        self.newcomer.notify_one();
        Waiter {
            waiting: self,
            partition,
            told,
        }
    }

    /// Tells those who wait; whether it is another position than they knew.
    pub(crate) fn tell(&self, partition: StatePartition, position: Offset) -> bool {
        let places = self.places.lock();
        let Some(place) = places.get(&partition) else {
            return false;
        };
        // Told even when it is the same: whoever came since has not seen it.
        place.position.send_replace(position) != position
    }

    /// The partitions that are waited for, as soon as there are any.
    pub(crate) async fn wanted(&self) -> Vec<StatePartition> {
        loop {
            let wanted: Vec<_> = self.places.lock().keys().copied().collect();
            if !wanted.is_empty() {
                return wanted;
            }
            self.newcomer.notified().await;
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.places.lock().is_empty()
    }
}

/// One who waits. Dropped, it waits no more.
pub(crate) struct Waiter<'a> {
    waiting: &'a Waiting,
    partition: StatePartition,
    told: watch::Receiver<Offset>,
}

impl Waiter<'_> {
    /// Resolves when a position of at least `wanted` is told; `false` when none ever will be.
    pub(crate) async fn until(&mut self, wanted: Offset) -> bool {
        loop {
            if self.told.changed().await.is_err() {
                return false;
            }
            if *self.told.borrow_and_update() >= wanted {
                return true;
            }
        }
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut places = self.waiting.places.lock();
        let Some(place) = places.get_mut(&self.partition) else {
            return;
        };
        place.waiters -= 1;
        if place.waiters == 0 {
            places.remove(&self.partition);
        }
    }
}
