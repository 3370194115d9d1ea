//! Stored slates: answers by id, with expiry.

use crate::PortFuture;
use bytes::Bytes;
use vitrina_types::time::IngestTime;

pub mod memory;
pub mod suite;

/// A slate to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSlate {
    /// The slate's id. Ids begin with their time, so that old ones lie together.
    pub id: String,
    /// The stored form.
    pub body: Bytes,
    /// Not answered any more from this moment on.
    pub expires_at: IngestTime,
}

/// A store of slates by id.
pub trait SlateStore: Send + Sync {
    /// Keeps slates. Durable within a second, not at once: a slate lost in a crash costs an
    /// explanation, not an event.
    fn put_many(&self, slates: Vec<StoredSlate>) -> PortFuture<'_, ()>;

    /// The slate with this id, unless it has expired at `now`.
    fn get<'a>(&'a self, id: &'a str, now: IngestTime) -> PortFuture<'a, Option<Bytes>>;

    /// Removes up to `limit` slates expired at `now`; answers how many.
    fn purge(&self, now: IngestTime, limit: usize) -> PortFuture<'_, usize>;
}
