//! Errors of the engine: the fact, who must act, whether to retry.

use vitrina_ports::{Blame, PortError, Retry};
use vitrina_types::event::Rejection;

/// The engine could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The input is wrong.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// More is coming in than is being processed.
    #[error("{waiting} events are waiting to be processed, the limit is {limit}")]
    Overloaded {
        /// Events accepted but not applied yet.
        waiting: u64,
        /// The limit.
        limit: u64,
        /// When to try again.
        retry_after_s: u32,
    },
    /// The thing asked for is not there.
    #[error("no {what} with this id")]
    NotFound {
        /// What was asked for.
        what: &'static str,
    },
    /// As many are in force as may be.
    #[error("{limit} {what} are in force, which is the limit; lift one first")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The engine cannot start on these stores.
    #[error("cannot start: {reason}")]
    CannotStart {
        /// Why, and what to do.
        reason: String,
    },
    /// A checkpoint cannot be taken or restored like this.
    #[error("checkpoint refused: {reason}")]
    CheckpointRefused {
        /// Why, and what to do.
        reason: String,
    },
    /// This engine only streams.
    #[error("this process works the stream and gives no answers; ask one that serves them")]
    NoAnswers,
    /// The engine is stopping.
    #[error("the service is stopping")]
    Stopping,
}

impl EngineError {
    /// Who has to act.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Rejected(_) | Self::NotFound { .. } | Self::TooMany { .. } => Blame::Caller,
            Self::Port(port) => port.blame(),
            Self::Overloaded { .. }
            | Self::CannotStart { .. }
            | Self::CheckpointRefused { .. }
            | Self::NoAnswers
            | Self::Stopping => Blame::Operator,
        }
    }

    /// Whether the same call may succeed later.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Rejected(_)
            | Self::NotFound { .. }
            | Self::TooMany { .. }
            | Self::CannotStart { .. }
            | Self::CheckpointRefused { .. }
            | Self::NoAnswers => Retry::Never,
            Self::Port(port) => port.retry(),
            Self::Overloaded { .. } | Self::Stopping => Retry::Later,
        }
    }
}
