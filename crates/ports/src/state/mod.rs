//! Keyed state: everything an operator remembers, with the position it stands for.

use crate::log::Offset;
use crate::{PortError, PortFuture};
use bytes::Bytes;
use std::sync::Arc;
use vitrina_types::partition::Partition;

pub mod memory;
pub mod suite;

/// Keys one [`StateStore::get_many`] may ask for.
pub const KEYS_PER_READ_MAX: usize = 10_000;
/// Bytes of one key.
pub const KEY_BYTES_MAX: usize = 512;
/// Bytes of one value.
pub const VALUE_BYTES_MAX: usize = 1_024 * 1_024;

/// A family of state: one per stage of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Space {
    /// State keyed by user or anonymous visitor.
    Users,
    /// State keyed by product, category or ban.
    Products,
    /// State keyed by slate.
    Slates,
    /// Open window rows.
    Rows,
    /// Bans that products of shops are held against.
    Shop,
    /// Open windows over files that are read directly.
    Lines,
}

impl Space {
    /// Every space.
    pub const ALL: [Self; 6] = [
        Self::Users,
        Self::Products,
        Self::Slates,
        Self::Rows,
        Self::Shop,
        Self::Lines,
    ];

    /// The name in stored keys, metrics and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Products => "products",
            Self::Slates => "slates",
            Self::Rows => "rows",
            Self::Shop => "shop",
            Self::Lines => "lines",
        }
    }
}

/// One part of a space: written by exactly one task, from exactly one input partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatePartition {
    /// The family.
    pub space: Space,
    /// The part, the same number as its input partition's.
    pub partition: Partition,
}

/// One key and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The new value; `None` deletes.
    pub value: Option<Bytes>,
}

/// The only write of derived state: changes and position, together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub partition: StatePartition,
    /// The position the writer built on.
    pub expected: Offset,
    /// The position after it: the next offset of the input partition to be read.
    pub next: Offset,
    /// Each key at most once.
    pub changes: Vec<Change>,
}

impl Commit {
    /// The refusal of this commit by a store that stands at `found`.
    pub fn mismatch(&self, found: Offset) -> PortError {
        let StatePartition { space, partition } = self.partition;
        PortError::PositionMismatch {
            what: format!("{}/{}", space.name(), partition.0),
            expected: self.expected,
            found,
        }
    }
}

/// Values and the position they stand for, read atomically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The next offset of the input partition that is *not* in the values.
    pub position: Offset,
    /// What was read.
    pub values: T,
}

/// A keyed store of bytes.
///
/// Laws, checked by [`suite`] for every adapter: a commit is all or nothing; a read never sees
/// half of one; the position answered belongs to the values answered; after a crash the store
/// stands at some commit, possibly not the last.
pub trait StateStore: Send + Sync {
    /// Reads `keys`; the answer has the same length and order, `None` where there is no value.
    ///
    /// # Errors
    /// `TooLarge` above [`KEYS_PER_READ_MAX`] keys; `Unavailable`.
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>>;

    /// Applies all changes and moves the position, or does nothing.
    ///
    /// # Errors
    /// `PositionMismatch` when the stored position is not `commit.expected`; `TooLarge` when a key
    /// is over [`KEY_BYTES_MAX`] or a value over [`VALUE_BYTES_MAX`]; `Full`; `Unavailable`.
    fn commit(&self, commit: Commit) -> PortFuture<'_, ()>;

    /// Reads up to `limit` pairs with keys after `after` (from the first when `None`), in key
    /// order. Scanning while somebody commits may see some keys before and some after it.
    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>>;

    /// Resolves when the position of `partition` is at least `wanted`.
    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()>;
}

/// Refuses a read of more than [`KEYS_PER_READ_MAX`] keys.
///
/// # Errors
/// `TooLarge`.
pub fn check_keys(keys: &[String]) -> Result<(), PortError> {
    within("keys", keys.len(), KEYS_PER_READ_MAX)
}

/// Refuses a commit with a key or a value over its limit.
///
/// # Errors
/// `TooLarge`.
pub fn check_commit(commit: &Commit) -> Result<(), PortError> {
    for change in &commit.changes {
        within("bytes of a key", change.key.len(), KEY_BYTES_MAX)?;
        let value_bytes = change.value.as_ref().map_or(0, Bytes::len);
        within("bytes of a value", value_bytes, VALUE_BYTES_MAX)?;
    }
    Ok(())
}

fn within(what: &'static str, got: usize, limit: usize) -> Result<(), PortError> {
    if got > limit {
        return Err(PortError::TooLarge { what, got, limit });
    }
    Ok(())
}

impl<S: StateStore + ?Sized> StateStore for Arc<S> {
    fn get_many<'a>(
        &'a self,
        partition: StatePartition,
        keys: &'a [String],
    ) -> PortFuture<'a, Versioned<Vec<Option<Bytes>>>> {
        (**self).get_many(partition, keys)
    }

    fn commit(&self, commit: Commit) -> PortFuture<'_, ()> {
        (**self).commit(commit)
    }

    fn scan<'a>(
        &'a self,
        partition: StatePartition,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Versioned<Vec<(String, Bytes)>>> {
        (**self).scan(partition, after, limit)
    }

    fn reached(&self, partition: StatePartition, wanted: Offset) -> PortFuture<'_, ()> {
        (**self).reached(partition, wanted)
    }
}
