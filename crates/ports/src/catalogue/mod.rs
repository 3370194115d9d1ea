//! The catalogue: ground truth of users, products, bans and configuration records.

use crate::{PortError, PortFuture};
use bytes::Bytes;

pub mod memory;
pub mod suite;

/// Writes one [`Catalogue::write`] may carry.
pub const WRITES_MAX: usize = 10_000;
/// Bytes of all bodies of one [`Catalogue::write`].
pub const WRITE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Bytes of one id.
pub const ID_BYTES_MAX: usize = 256;
/// Bytes of one body.
pub const BODY_BYTES_MAX: usize = 1_024 * 1_024;

/// What kind of thing a record is. Each kind has its own ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A product of the shop.
    Product,
    /// A registered user.
    User,
    /// A banned product id or SKU.
    Ban,
    /// A place where slates are shown.
    Placement,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Product, Self::User, Self::Ban, Self::Placement];

    /// The name in stored keys and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::User => "user",
            Self::Ban => "ban",
            Self::Placement => "placement",
        }
    }
}

/// A record as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id.
    pub id: String,
    /// 1 after creation, one more with every write; goes on after a delete.
    pub version: u64,
    /// The stored form.
    pub body: Bytes,
}

/// What a write expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// No such record.
    Absent,
    /// A record, of any version.
    Present,
    /// Exactly this version.
    Version(u64),
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The kind.
    pub kind: Kind,
    /// The id.
    pub id: String,
    /// What must be there.
    pub expect: Expect,
    /// The new body; `None` deletes. A delete of what is not there is a conflict that found
    /// nothing, whatever was expected, and leaves no mark.
    pub body: Option<Bytes>,
}

/// What became of one write of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Written; the new version, and whether the record was new.
    Written {
        /// The version after the write.
        version: u64,
        /// Whether there was no record before.
        created: bool,
    },
    /// Refused: what was found is not what was expected.
    Conflict {
        /// The version found, `None` when there is no record.
        found: Option<u64>,
    },
}

/// One write as it left its mark in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxChange {
    /// Its place in the outbox: 0, 1, 2, … without gaps.
    pub sequence: u64,
    /// The kind.
    pub kind: Kind,
    /// The id.
    pub id: String,
    /// The version after the write.
    pub version: u64,
    /// Whether the write created the record.
    pub created: bool,
    /// The new body; `None` after a delete.
    pub body: Option<Bytes>,
}

/// A store of records with versions and an outbox.
///
/// Laws, checked by [`suite`]: a write and its outbox change are there together or not at all;
/// an acknowledged write survives a crash; versions of one id never repeat; outbox sequences have
/// no gaps and follow the order of the writes.
pub trait Catalogue: Send + Sync {
    /// The record with this id.
    fn get<'a>(&'a self, kind: Kind, id: &'a str) -> PortFuture<'a, Option<Entry>>;

    /// Up to `limit` records with ids after `after`, in id order.
    fn list<'a>(
        &'a self,
        kind: Kind,
        after: Option<&'a str>,
        limit: usize,
    ) -> PortFuture<'a, Vec<Entry>>;

    /// Applies writes in order; each is accepted or refused on its own, the accepted ones are
    /// durable together. Later writes of a batch see earlier ones.
    ///
    /// # Errors
    /// `TooLarge` above [`WRITES_MAX`], [`WRITE_BYTES_MAX`], [`ID_BYTES_MAX`] or
    /// [`BODY_BYTES_MAX`], and `Full`: nothing was written. After `Unavailable` the outcome may be
    /// unknown, but it is all or nothing.
    fn write(&self, writes: Vec<Write>) -> PortFuture<'_, Vec<Outcome>>;

    /// Up to `limit` changes with sequence at least `from`, in order.
    fn outbox(&self, from: u64, limit: usize) -> PortFuture<'_, Vec<OutboxChange>>;

    /// Forgets changes with a sequence below `before`: they were published.
    fn trim_outbox(&self, before: u64) -> PortFuture<'_, ()>;

    /// Resolves when a change with sequence at least `from` is in the outbox.
    fn outbox_reached(&self, from: u64) -> PortFuture<'_, ()>;
}

impl Expect {
    /// Whether a record of version `found` (`None`: there is none) is what is expected.
    pub fn admits(self, found: Option<u64>) -> bool {
        match self {
            Self::Any => true,
            Self::Absent => found.is_none(),
            Self::Present => found.is_some(),
            Self::Version(version) => found == Some(version),
        }
    }
}

impl Write {
    /// What becomes of this write where a record of version `found` is (`None`: there is none)
    /// and `last_version` is the last version the id ever had (0: never seen). The rule of every
    /// adapter.
    pub fn outcome(&self, found: Option<u64>, last_version: u64) -> Outcome {
        let has_target = self.body.is_some() || found.is_some();
        if !has_target || !self.expect.admits(found) {
            return Outcome::Conflict { found };
        }
        Outcome::Written {
            version: last_version + 1,
            created: found.is_none(),
        }
    }
}

/// Refuses writes over the limits.
///
/// # Errors
/// `TooLarge`.
pub fn check_writes(writes: &[Write]) -> Result<(), PortError> {
    let within = |what, got, limit| {
        if got > limit {
            return Err(PortError::TooLarge { what, got, limit });
        }
        Ok(())
    };
    within("writes", writes.len(), WRITES_MAX)?;
    let mut total_bytes = 0;
    for write in writes {
        within("bytes of an id", write.id.len(), ID_BYTES_MAX)?;
        let body_bytes = write.body.as_ref().map_or(0, Bytes::len);
        within("bytes of a body", body_bytes, BODY_BYTES_MAX)?;
        total_bytes += body_bytes;
    }
    within("bytes", total_bytes, WRITE_BYTES_MAX)
}
