//! Ways to get exactly-once wrong, each a switch in the test build.
//!
//! The simulation proves that it would notice: every one of them must be caught by a named test.
//! Outside tests the question is a constant `false` and costs nothing. Other wrong variants need
//! no switch, they are wrappers around a port; `simulation` lists them all.

/// One wrong variant of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(test), allow(dead_code, reason = "only tests make one"))]
pub(crate) enum Flaw {
    /// State is committed before outputs are published.
    StateFirst,
    /// Tasks in doubt are committed when they are handed back.
    DoubtCommitted,
    /// O is read before S when a task starts.
    PublishedReadFirst,
    /// A task starts at O instead of S.
    StartAtPublished,
    /// Outputs below O are suppressed by the first offset of a batch.
    SuppressByBatch,
    /// Outputs below O are sent again.
    NoSuppression,
    /// A batch without outputs makes no transaction.
    NoTransactionWhenEmpty,
    /// Revoked tasks go on, and the membership is asked for when positions are sent, not when the
    /// batch begins.
    RevokeIgnored,
    /// The loss of every task is not noticed, and the membership is asked for when positions are
    /// sent, not when the batch begins.
    LossIgnored,
    /// A worker the group does not know sends positions all the same.
    UnknownMember,
    /// What was in memory is used again after the task was somebody else's.
    MemoryKept,
    /// A commit without an answer is taken for done.
    UnknownIsCommitted,
    /// A commit without an answer is taken for aborted: O is not read again.
    UnknownIsAborted,
    /// An idle task never looks whether its state still stands where it left it.
    NoIdleCheck,
}
