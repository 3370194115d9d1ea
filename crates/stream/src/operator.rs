//! What a stage of the topology is.

use crate::outbox::Outbox;
use crate::resident::Resident;
use crate::working::Working;
use vitrina_types::event::Rejection;
use vitrina_types::state::TaskState;
use vitrina_types::stored::{self, Stored};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// A stage of the topology: a pure function from state and record to changes and outputs.
///
/// Contract: `apply` depends on nothing but its arguments and touches no key that `keys` did not
/// name, except what is resident and keys never used before; it never fails, what it cannot use
/// becomes a dead letter.
pub trait Operator: Send + 'static {
    /// Decoded input record.
    type Record: Send;
    /// Decoded state value.
    type Value: Stored + Clone + Send;
    /// What it keeps in memory as a whole; `()` for nothing.
    type Resident: Resident;

    /// Name of the consumer. Never rename.
    const NAME: &'static str;
    /// Where its records come from.
    const INPUT: Topic;

    /// Decodes a record.
    ///
    /// # Errors
    /// [`Rejection`] for bytes that are no record: they become a dead letter.
    fn decode(&self, bytes: &[u8]) -> Result<Self::Record, Rejection>;

    /// Appends every state key `apply` may touch; [`TaskState::KEY`] is implicit.
    fn keys(&self, record: &Self::Record, keys: &mut Vec<String>);

    /// When the record, or its cause, was taken in.
    fn ingest_time(&self, record: &Self::Record) -> IngestTime;

    /// Whether somebody may be waiting for what the record changes to be in the state store.
    /// Where committing is dear, commits of changes that nobody waits for coalesce.
    fn is_awaited(&self, _record: &Self::Record) -> bool {
        true
    }

    /// Applies one record.
    fn apply(
        &self,
        record: &Self::Record,
        state: &mut Working<Self::Value, Self::Resident>,
        task: &mut TaskState,
        out: &mut Outbox,
    );
}

/// Decodes a record from its stored form: [`Operator::decode`] of every operator whose records
/// have one.
///
/// # Errors
/// [`Rejection`] for bytes that are none.
pub fn decode_stored<T: Stored>(bytes: &[u8]) -> Result<T, Rejection> {
    stored::decode(bytes).map_err(|error| Rejection::new("undecodable", "", error.to_string()))
}
