//! What a stage of the topology is.

use crate::outbox::Outbox;
use crate::working::Working;
use vitrina_types::state::TaskState;
use vitrina_types::stored::Stored;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// A stage of the topology: a pure function from state and record to changes and outputs.
///
/// Contract: `apply` depends on nothing but its arguments and touches no key that `keys` did not
/// name; it never fails, what it cannot use becomes a dead letter.
pub trait Operator: Send + 'static {
    /// Decoded input record.
    type Record: Stored;
    /// Decoded state value.
    type Value: Stored + Clone;

    /// Name of the consumer. Never rename.
    const NAME: &'static str;
    /// Where its records come from.
    const INPUT: Topic;

    /// Appends every state key `apply` may touch; [`TaskState::KEY`] is implicit.
    fn keys(&self, record: &Self::Record, keys: &mut Vec<String>);

    /// When the record, or its cause, was taken in.
    fn ingest_time(&self, record: &Self::Record) -> IngestTime;

    /// Applies one record.
    fn apply(
        &self,
        record: &Self::Record,
        state: &mut Working<Self::Value>,
        task: &mut TaskState,
        out: &mut Outbox,
    );
}
