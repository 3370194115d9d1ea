//! One partition of the state in memory: what is committed but not yet in the database.
//!
//! Layers, newest first: `active` takes the commits; `frozen`, if any, is on its way to the
//! database; `settled`, if any, has arrived, and still answers reads: what changed last is likely
//! to be asked for next.

use super::fleeting::Fleeting;
use super::layer::Layer;
use bytes::Bytes;
use std::sync::Arc;
use vitrina_ports::log::Offset;
use vitrina_ports::state::Change;

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
        let frozen = self.frozen.as_ref();
        self.active.held_bytes() + frozen.map_or(0, |frozen| frozen.layer.held_bytes())
    }

    /// Applies a commit.
    pub(super) fn apply(&mut self, next: Offset, changes: Vec<Change>) {
        for change in changes {
            self.active.insert(&change.key, change.value.as_deref());
        }
        self.position = next;
        self.is_dirty = true;
    }

    /// What memory knows of a key: `None` when it must be read from the database.
    pub(super) fn find(&self, key: &str) -> Option<Option<&[u8]>> {
        let frozen = || self.frozen.as_ref()?.layer.find(key);
        let settled = || self.settled.as_ref()?.find(key);
        self.active.find(key).or_else(frozen).or_else(settled)
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
                    Arc::make_mut(&mut stuck.layer).take_newer(&active);
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
        let mut newest = self.active.after(after).peekable();
        let mut newer = frozen.after(after).peekable();
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
                in_store.map(|(key, _)| key.as_bytes()),
            ];
            let Some(key) = heads.into_iter().flatten().min() else {
                break;
            };
            let key = String::from_utf8_lossy(key).into_owned();
            // All three go on past the key; the newest that has it decides.
            let from_newest = newest.next_if(|&(head, _)| head == key.as_bytes());
            let from_newer = newer.next_if(|&(head, _)| head == key.as_bytes());
            let from_store = stored.next_if(|pair| matches!(pair, Ok((head, _)) if *head == key));
            let value = match from_newest.or(from_newer) {
                Some((_, value)) => value.map(Bytes::copy_from_slice),
                None => from_store.and_then(Result::ok).map(|(_, value)| value),
            };
            found.extend(value.map(|value| (key, value)));
        }
        Ok(found)
    }
}
