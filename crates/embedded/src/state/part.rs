//! One partition of the state in memory: what is committed but not yet in the database.
//!
//! Layers, newest first: `active` takes the commits; `frozen`, if any, is on its way to the
//! database; `settled`, if any, has arrived, and still answers reads: what changed last is likely
//! to be asked for next.

use super::fleeting::Fleeting;
use bytes::Bytes;
use rustc_hash::FxHashMap;
use std::sync::Arc;
use vitrina_ports::log::Offset;
use vitrina_ports::state::Change;

/// What a change costs beside its key and value, in the limit on memory.
const CHANGE_OVERHEAD_BYTES: usize = 96;

/// Bytes a change is counted with.
pub(super) fn cost(key: &str, value: Option<&Bytes>) -> usize {
    CHANGE_OVERHEAD_BYTES + key.len() + value.map_or(0, Bytes::len)
}

/// Changed keys, with their last value; `None` is a deletion. Hashed, because a key is changed many
/// times for each time that keys are asked for in their order.
#[derive(Debug, Default, Clone)]
pub(super) struct Layer {
    changes: FxHashMap<String, Option<Bytes>>,
    bytes: usize,
}

impl Layer {
    fn insert(&mut self, key: String, value: Option<Bytes>) {
        self.bytes += cost(&key, value.as_ref());
        let key_bytes = key.len();
        if let Some(old) = self.changes.insert(key, value) {
            let old_bytes = old.as_ref().map_or(0, Bytes::len);
            self.bytes -= CHANGE_OVERHEAD_BYTES + key_bytes + old_bytes;
        }
    }

    /// Leaves out what need not be written.
    fn sift(&mut self, fleeting: &mut Fleeting) {
        let bytes = &mut self.bytes;
        self.changes.retain(|key, value| {
            let stays = fleeting.takes(key, value.is_none());
            if !stays {
                *bytes -= cost(key, value.as_ref());
            }
            stays
        });
    }

    /// What the changes are counted with.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changed keys.
    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    /// All changes in key order. O(n log n).
    pub(super) fn sorted(&self) -> Vec<(&str, Option<&Bytes>)> {
        self.after(None)
    }

    /// Those with keys after `after`, in key order. O(n log n).
    fn after(&self, after: Option<&str>) -> Vec<(&str, Option<&Bytes>)> {
        let changes = self.changes.iter();
        let mut found: Vec<_> = changes
            .map(|(key, value)| (key.as_str(), value.as_ref()))
            .filter(|(key, _)| after.is_none_or(|after| *key > after))
            .collect();
        found.sort_unstable_by_key(|change| change.0);
        found
    }
}

/// A layer on its way, and the position the database will stand at with it.
#[derive(Debug, Clone)]
pub(super) struct Frozen {
    pub layer: Arc<Layer>,
    pub position: Offset,
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Of the last commit.
    pub position: Offset,
    /// Of the database.
    stored: Offset,
    /// Whether something was committed since the last freeze.
    is_dirty: bool,
    active: Layer,
    frozen: Option<Frozen>,
    settled: Option<Arc<Layer>>,
    fleeting: Fleeting,
}

impl Part {
    /// A partition as the database has it.
    pub(super) fn new(stored: Offset, fleeting: Fleeting) -> Self {
        Self {
            position: stored,
            stored,
            fleeting,
            ..Self::default()
        }
    }

    /// Bytes of memory that wait for the database.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.active.bytes + self.frozen.as_ref().map_or(0, |frozen| frozen.layer.bytes)
    }

    /// Applies a commit.
    pub(super) fn apply(&mut self, next: Offset, changes: Vec<Change>) {
        for change in changes {
            self.active.insert(change.key, change.value);
        }
        self.position = next;
        self.is_dirty = true;
    }

    /// What memory knows of a key: `None` when it must be read from the database.
    pub(super) fn find(&self, key: &str) -> Option<&Option<Bytes>> {
        let frozen = || self.frozen.as_ref()?.layer.changes.get(key);
        let settled = || self.settled.as_ref()?.changes.get(key);
        let known = self.active.changes.get(key);
        known.or_else(frozen).or_else(settled)
    }

    /// Makes everything committed so far one frozen layer, together with one that did not
    /// arrive; `None` when the database has it all. What had settled is forgotten.
    pub(super) fn freeze(&mut self) -> Option<Frozen> {
        self.settled = None;
        if self.is_dirty {
            let mut active = std::mem::take(&mut self.active);
            active.sift(&mut self.fleeting);
            let layer = match self.frozen.take() {
                None => Arc::new(active),
                Some(mut stuck) => {
                    let merged = Arc::make_mut(&mut stuck.layer);
                    for (key, value) in active.changes {
                        merged.insert(key, value);
                    }
                    stuck.layer
                }
            };
            let position = self.position;
            self.frozen = Some(Frozen { layer, position });
            self.is_dirty = false;
        }
        self.frozen.clone()
    }

    /// The frozen layer has arrived in the database.
    pub(super) fn arrived(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            self.stored = frozen.position;
            self.settled = Some(frozen.layer);
        }
    }

    /// The database was opened again and stands at `found`. When that is not where it was left,
    /// nothing in memory is based on it any more and `false` is answered: begin [anew](Self::new).
    pub(super) fn resume(&mut self, found: Offset) -> bool {
        self.settled = None;
        let on_its_way = self.frozen.as_ref().map(|frozen| frozen.position);
        let is_where_it_was = found == self.stored || Some(found) == on_its_way;
        if is_where_it_was {
            self.stored = found;
        }
        is_where_it_was
    }

    /// Up to `limit` pairs with keys after `after`, where `stored` are the pairs of the database
    /// from there on, in order.
    pub(super) fn scan<E>(
        &self,
        after: Option<&str>,
        limit: usize,
        stored: impl Iterator<Item = Result<(String, Bytes), E>>,
    ) -> Result<Vec<(String, Bytes)>, E> {
        let empty = Layer::default();
        let frozen = self.frozen.as_ref().map_or(&empty, |f| &f.layer);
        let mut newest = self.active.after(after).into_iter().peekable();
        let mut newer = frozen.after(after).into_iter().peekable();
        let mut stored = stored.peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            if let Some(Err(_)) = stored.peek() {
                return stored
                    .next()
                    .map_or(Ok(found), |error| error.map(|_| Vec::new()));
            }
            let in_store = stored.peek().and_then(|pair| pair.as_ref().ok());
            let heads = [
                newest.peek().map(|&(key, _)| key),
                newer.peek().map(|&(key, _)| key),
                in_store.map(|(key, _)| key.as_str()),
            ];
            let Some(key) = heads.into_iter().flatten().min().map(str::to_owned) else {
                break;
            };
            // All three go on past the key; the newest that has it decides.
            let from_newest = newest.next_if(|&(head, _)| head == key);
            let from_newer = newer.next_if(|&(head, _)| head == key);
            let from_store = stored.next_if(|pair| matches!(pair, Ok((head, _)) if *head == key));
            let value = match from_newest.or(from_newer) {
                Some((_, value)) => value.cloned(),
                None => from_store.and_then(Result::ok).map(|(_, value)| value),
            };
            found.extend(value.map(|value| (key, value)));
        }
        Ok(found)
    }
}
