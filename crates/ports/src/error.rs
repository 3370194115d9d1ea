//! Errors of ports: the fact, who must act, whether to retry.

use std::future::Future;
use std::pin::Pin;

/// A future a port returns. One box per batch, never per key.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller sent something it must not send.
    Caller,
    /// A bug or damage of ours.
    Us,
    /// A store, disk or service behind the port.
    Dependency,
    /// Whoever runs the machine: disk space, configuration.
    Operator,
}

/// Whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Never: the call itself is wrong.
    Never,
    /// Yes, after a while.
    Later,
    /// Only after reading the positions again: somebody else moved them, or the outcome is
    /// unknown.
    AfterReload,
}

/// A port could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The other side could not be reached in time, or failed.
    #[error("{port} failed: {detail}")]
    Unavailable {
        /// The port, without secrets.
        port: &'static str,
        /// What the driver said.
        detail: String,
    },
    /// No room to write; nothing of the call was written.
    #[error("{port} is full: {free_bytes} bytes free, {reserve_bytes} are kept in reserve")]
    Full {
        /// The port.
        port: &'static str,
        /// Bytes free on the disk.
        free_bytes: u64,
        /// Bytes that are never used.
        reserve_bytes: u64,
    },
    /// Stored bytes do not decode.
    #[error("{what} is damaged")]
    Damaged {
        /// The key, file or position.
        what: String,
    },
    /// More in one call than the port allows.
    #[error("batch of {got} {what} exceeds the limit of {limit}")]
    TooLarge {
        /// Unit: keys, bytes, records.
        what: &'static str,
        /// Asked for.
        got: usize,
        /// Allowed.
        limit: usize,
    },
    /// The stored position is not the expected one: another writer was here, or a tail was lost.
    #[error("position of {what} is {found}, expected {expected}")]
    PositionMismatch {
        /// The partition.
        what: String,
        /// Position the caller expected.
        expected: u64,
        /// Position found.
        found: u64,
    },
    /// The position is older than what retention kept.
    #[error("{what} begins at {start}, position {wanted} has expired")]
    Expired {
        /// Topic and partition.
        what: String,
        /// Position asked for.
        wanted: u64,
        /// First position that is left.
        start: u64,
    },
    /// The group or a newer producer has gone on without us.
    #[error("{what} belongs to somebody else now: {detail}")]
    Fenced {
        /// The member or producer.
        what: String,
        /// What the other side said.
        detail: String,
    },
    /// Something else is there already, and it is never replaced.
    #[error("there is {what} already")]
    Exists {
        /// What, and where.
        what: String,
    },
    /// A name, path or address is not one the port takes.
    #[error("{what} is refused, expected {expected}")]
    Invalid {
        /// What was given.
        what: String,
        /// What is taken.
        expected: &'static str,
    },
    /// The port was closed.
    #[error("{port} is closed")]
    Closed {
        /// The port.
        port: &'static str,
    },
}

impl PortError {
    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Unavailable { .. } | Self::Fenced { .. } => Blame::Dependency,
            Self::Full { .. } => Blame::Operator,
            Self::Damaged { .. } | Self::PositionMismatch { .. } | Self::Exists { .. } => Blame::Us,
            Self::TooLarge { .. }
            | Self::Expired { .. }
            | Self::Invalid { .. }
            | Self::Closed { .. } => Blame::Caller,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unavailable { .. } | Self::Full { .. } => Retry::Later,
            Self::PositionMismatch { .. } | Self::Fenced { .. } => Retry::AfterReload,
            Self::Damaged { .. }
            | Self::TooLarge { .. }
            | Self::Expired { .. }
            | Self::Exists { .. }
            | Self::Invalid { .. }
            | Self::Closed { .. } => Retry::Never,
        }
    }
}
