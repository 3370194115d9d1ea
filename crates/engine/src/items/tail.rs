//! Follows `product-signals` to learn which keys changed, and reads them from state.
//!
//! The law: whatever a record below `from` changed has been read from state that holds the record.
//! A batch of records names keys; when state has come past the batch they are read, each once,
//! whatever became of them meanwhile. While much changes a batch gathers for longer, so that what
//! changes often is read once; a change that somebody may be waiting for ends that. Values come from
//! state alone, so what is read too early or
//! twice does no harm, and a state that lost its tail comes to the same values again.

use super::{decode, load};
use crate::backoff::Backoff;
use crate::error::EngineError;
use crate::shared::Shared;
use crate::topology;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{error, info, warn};
use vitrina_ports::log::Offset;
use vitrina_ports::state::{Space, StatePartition};
use vitrina_ports::{PortError, Retry};
use vitrina_stream::Operator;
use vitrina_types::id::ProductIx;
use vitrina_types::partition::Partition;
use vitrina_types::state::ProductKey;
use vitrina_types::topic::Topic;

/// Bytes of records in one batch: a few thousand keys at most.
const READ_BYTES: usize = 256 * 1_024;
/// Keys of one batch: what is gathered while much changes is bounded by this.
const BATCH_KEYS_MAX: usize = 10_000;
/// Keys read in a second at most where nobody waits for them. Each of 32 tails may read so many,
/// a key takes some 6 µs here and as much of the state store: a fifth of a core.
const KEYS_PER_SECOND: usize = 500;
/// However many keys a read found, the next one is no later.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Keys read from state in one step: at most a few MiB of values.
pub(super) const KEYS_PER_STEP: usize = 1_000;
/// What names the keys.
const SIGNALS: Topic = Topic::ProductSignals;
/// Keys of bans begin so.
pub(super) const BAN: &str = "b/";

/// What one turn came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There was nothing new.
    Idle,
    /// There was something new, read or not yet in state; `is_full`: so much was read that there is
    /// likely more.
    Moved { is_full: bool },
}

/// Keys that a stretch of records names.
struct Batch {
    keys: FxHashSet<String>,
    /// The offset after the last of the records.
    next: Offset,
    /// Whether somebody may be waiting for what one of them changes.
    is_awaited: bool,
    /// Whether so much was read at last that there is likely more.
    is_full: bool,
}

/// The follower of one partition.
pub(crate) struct Tail {
    at: StatePartition,
    /// What records before this one changed is in the item side.
    from: Offset,
    /// What records from there on name, until it is read.
    pending: Option<Batch>,
    /// Before this, only what somebody may be waiting for is read.
    not_before: Instant,
    /// Whether records were missed: then everything is read again.
    is_lost: bool,
    /// When it last looked whether state still stands behind what was read of it.
    checked: Instant,
    /// Keys of bans in the item side: few, and the only ones it cannot list.
    bans: BTreeSet<String>,
}

impl Tail {
    /// The follower of a partition that was loaded when its state stood at `from`, and had `bans`.
    pub(super) fn new(partition: Partition, from: Offset, bans: BTreeSet<String>) -> Self {
        Self {
            at: StatePartition {
                space: Space::Products,
                partition,
            },
            from,
            pending: None,
            not_before: Instant::now(),
            is_lost: false,
            checked: Instant::now(),
            bans,
        }
    }

    /// Says how far it has come.
    pub(crate) fn stands(&self, shared: &Shared) {
        let (partition, from) = (self.at.partition, self.from);
        shared.items.read_to[partition.at()].store(from, Ordering::Release);
        let followed = &shared.followed;
        followed.stands("item-side", SIGNALS, partition, Some(from));
        shared.moved();
    }

    /// Runs until the engine stops. However much changes, it reads at most once an interval; what
    /// comes after a silence it reads at once.
    pub(crate) async fn run(mut self, shared: Arc<Shared>) {
        let interval = shared.options.progress_interval;
        let mut backoff = Backoff::new(self.at.partition.0.into());
        let (mut seen, mut read) = (0, Instant::now());
        loop {
            let step = async {
                let before = self.from;
                let turned = self.turn(&shared).await;
                if self.from != before {
                    self.stands(&shared);
                }
                let pause = match turned {
                    Ok(Turn::Moved { is_full: true }) => return backoff.reset(),
                    Ok(Turn::Moved { is_full: false }) => {
                        backoff.reset();
                        interval
                    }
                    Ok(Turn::Idle) => {
                        backoff.reset();
                        self.rest(&shared, &mut seen).await;
                        interval.saturating_sub(read.elapsed())
                    }
                    Err(error) => {
                        let pause = backoff.pause();
                        self.tell(&error);
                        pause
                    }
                };
                tokio::time::sleep(pause).await;
                read = Instant::now();
            };
            tokio::select! {
                () = step => {}
                () = shared.stopped() => return,
            }
        }
    }

    /// Reads what changed, once state holds it. Waits for that only so long: whoever waits for a
    /// position that is not there any more would wait for ever.
    ///
    /// # Errors
    /// The ports'; nothing is forgotten then, the next turn begins where this one did. `Expired`
    /// when retention went by: the next turn begins by reading everything.
    pub(super) async fn turn(&mut self, shared: &Shared) -> Result<Turn, EngineError> {
        if self.is_lost {
            self.reload(shared).await?;
        }
        self.check(shared).await?;
        let named = self.name_more(shared).await;
        if let Err(EngineError::Port(PortError::Expired { .. })) = named {
            self.is_lost = true;
        }
        named?;
        let Some(batch) = &self.pending else {
            return Ok(Turn::Idle);
        };
        let has_room = batch.keys.len() < BATCH_KEYS_MAX;
        if has_room && !batch.is_awaited && Instant::now() < self.not_before {
            let is_full = batch.is_full;
            return Ok(Turn::Moved { is_full });
        }
        let reached = shared.ports.state.reached(self.at, batch.next);
        let longest = shared.options.idle_check_interval;
        match tokio::time::timeout(longest, reached).await {
            Ok(reached) => reached?,
            Err(_) => {
                // What was named may be gone from the log, and something else stand there.
                self.pending = None;
                return Ok(Turn::Moved { is_full: false });
            }
        }
        self.take(shared).await
    }

    /// Waits for news of the log, at most until it is time to look at state again.
    async fn rest(&self, shared: &Shared, seen: &mut u64) {
        let check = shared.options.idle_check_interval;
        let left = check.saturating_sub(self.checked.elapsed());
        tokio::select! {
            now = shared.ports.log.changed(*seen) => match now {
                Ok(now) => *seen = now,
                Err(_) => tokio::time::sleep(left).await,
            },
            () = tokio::time::sleep(left) => {}
        }
    }

    /// Looks from time to time whether state stepped back behind what was read of it.
    async fn check(&mut self, shared: &Shared) -> Result<(), EngineError> {
        if self.checked.elapsed() < shared.options.idle_check_interval {
            return Ok(());
        }
        self.checked = Instant::now();
        let found = shared.ports.state.get_many(self.at, &[]).await?;
        self.step_back(found.position);
        Ok(())
    }

    /// State stands at `position`: what comes after it is read again when it has come again.
    fn step_back(&mut self, position: Offset) {
        if position < self.from {
            let (partition, from) = (self.at.partition.0, self.from);
            info!(partition, from, position, "product state stepped back");
            self.from = position;
            self.pending = None;
        }
    }

    /// Adds the keys that the next records name to those that wait, where there is room.
    async fn name_more(&mut self, shared: &Shared) -> Result<(), EngineError> {
        let (log, partition) = (&shared.ports.log, self.at.partition);
        let bounds = log.bounds(SIGNALS, partition);
        let pending = self.pending.as_mut();
        let from = pending.as_ref().map_or(self.from, |batch| batch.next);
        let held = pending.as_ref().map_or(0, |batch| batch.keys.len());
        if let Some(batch) = pending {
            batch.is_full = false;
        }
        if bounds.end <= from || held >= BATCH_KEYS_MAX {
            return Ok(());
        }
        let records = log.read(SIGNALS, partition, from, READ_BYTES).await?;
        let batch = self.pending.get_or_insert_with(|| Batch {
            keys: FxHashSet::default(),
            next: from,
            is_awaited: false,
            is_full: false,
        });
        let operator = topology::product_stage(&shared.options);
        let (mut named, mut bytes) = (Vec::new(), 0);
        for record in &records {
            bytes += record.bytes.len();
            // What does not decode changes nothing but the dead letters.
            if let Ok(record) = operator.decode(&record.bytes) {
                operator.keys(&record, &mut named);
                batch.keys.extend(named.drain(..));
                batch.is_awaited |= operator.is_awaited(&record);
            }
        }
        batch.next = records.last().map_or(bounds.end, |last| last.offset + 1);
        batch.is_full = bytes >= READ_BYTES / 2;
        Ok(())
    }

    /// Reads the keys that wait from state into the item side.
    async fn take(&mut self, shared: &Shared) -> Result<Turn, EngineError> {
        let Some(batch) = self.pending.take() else {
            return Ok(Turn::Idle);
        };
        let keys = Vec::from_iter(batch.keys);
        let pause = Duration::from_millis((keys.len() * 1_000 / KEYS_PER_SECOND) as u64);
        for keys in keys.chunks(KEYS_PER_STEP) {
            let found = shared.ports.state.get_many(self.at, keys).await?;
            if found.position < batch.next {
                self.step_back(found.position);
                return Ok(Turn::Moved { is_full: false });
            }
            let mut changes = Vec::with_capacity(keys.len());
            for (key, bytes) in keys.iter().zip(&found.values) {
                let value = bytes.as_deref().map(|bytes| decode(key, bytes));
                let value = value.transpose().map_err(|error| PortError::Damaged {
                    what: format!("state of {key}: {error}"),
                })?;
                match value.flatten() {
                    Some((key, value)) => changes.push((key, Some(value))),
                    None => changes.extend(ProductKey::from_stored(key).map(|key| (key, None))),
                }
            }
            for (key, value) in &changes {
                shared.items.apply(key, value.as_ref());
            }
            let bans = keys.iter().filter(|key| key.starts_with(BAN));
            self.bans.extend(bans.cloned());
        }
        self.from = batch.next;
        self.not_before = Instant::now() + pause.min(PAUSE_MAX);
        shared.items.announce();
        Ok(Turn::Moved {
            is_full: batch.is_full,
        })
    }

    /// Reads the whole partition again, and forgets what is not in it any more.
    async fn reload(&mut self, shared: &Shared) -> Result<(), EngineError> {
        let mut found = BTreeSet::new();
        let mut each = |key: &str| {
            found.insert(key.to_owned());
        };
        let position = load::load_partition(shared, self.at.partition, &mut each).await?;
        for key in self.held(shared) {
            if !found.contains(&key)
                && let Some(key) = ProductKey::from_stored(&key)
            {
                shared.items.apply(&key, None);
            }
        }
        found.retain(|key| key.starts_with(BAN));
        self.bans = found;
        self.from = position;
        self.pending = None;
        self.is_lost = false;
        shared.items.announce();
        let partition = self.at.partition.0;
        info!(
            partition,
            position, "read the products of a partition again"
        );
        Ok(())
    }

    /// Every key of the partition that the item side knows.
    fn held(&self, shared: &Shared) -> Vec<String> {
        let table = shared.items.read();
        let all = (0..table.len()).filter_map(|ix| table.id(ProductIx(ix as u32)));
        let products = all.filter(|id| Partition::of(id.as_str()) == self.at.partition);
        let products = products.map(|id| ProductKey::Product(id.clone()).stored());
        let categories = table.categories().map(|category| category.path());
        let categories = categories.filter(|path| Partition::of(path) == self.at.partition);
        let categories = categories.map(|path| ProductKey::Category(path.into()).stored());
        let bans = self.bans.iter().cloned();
        products.chain(categories).chain(bans).collect()
    }

    fn tell(&self, error: &EngineError) {
        let partition = self.at.partition.0;
        if error.retry() == Retry::Never && !self.is_lost {
            error!(%error, partition, "changed products cannot be read");
        } else {
            warn!(%error, partition, "changed products are read again later");
        }
    }
}

#[cfg(test)]
mod tests;
