//! The slate-keyed stage: attribution. What came of each slate that was shown, told to the rows
//! of its placement and of the sources that proposed its products.
//!
//! The law: what is attributed depends on the slate and its interactions, not on the order they
//! come in, as long as the state of the slate is kept. A row takes a contribution however late
//! it is.

mod attribute;
pub(crate) mod bounds;
mod expiry;
mod options;

pub use options::SlateOptions;

use crate::operator::{Operator, decode_stored};
use crate::outbox::Outbox;
use crate::working::Working;
use vitrina_types::event::Rejection;
use vitrina_types::id::SlateId;
use vitrina_types::record::{SlateEnvelope, SlateRecord};
use vitrina_types::state::{SlatePending, SlateState, SlateValue, TaskState};
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// Remembers slates and tells the rows of placements what came of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlateStage {
    /// What the shop set.
    pub options: SlateOptions,
}

/// What one record is applied to.
struct Scope<'a> {
    options: &'a SlateOptions,
    envelope: &'a SlateEnvelope,
    working: &'a mut Working<SlateValue>,
    task: &'a mut TaskState,
    out: &'a mut Outbox,
}

impl Operator for SlateStage {
    type Record = SlateEnvelope;
    type Value = SlateValue;
    type Resident = ();

    const NAME: &'static str = "slate-stage";
    const INPUT: Topic = Topic::SlateSignals;

    fn decode(&self, bytes: &[u8]) -> Result<SlateEnvelope, Rejection> {
        decode_stored(bytes)
    }

    fn keys(&self, record: &SlateEnvelope, keys: &mut Vec<String>) {
        let slate = match &record.record {
            SlateRecord::Shown(impression) => &impression.slate_id,
            SlateRecord::Interacted { slate, .. } => slate,
            SlateRecord::Tick => return,
            SlateRecord::Expire { hour } => {
                keys.extend(expiry::bucket_keys(*hour));
                return;
            }
            SlateRecord::Forget { keys: gone } => {
                keys.extend(gone.iter().map(|key| key.to_string()));
                return;
            }
        };
        let key = slate_key(slate);
        keys.push(expiry::bucket_of(&key, record.ingest_time));
        keys.push(key);
    }

    fn ingest_time(&self, record: &SlateEnvelope) -> IngestTime {
        record.ingest_time
    }

    /// Answers read none of it.
    fn is_awaited(&self, _record: &SlateEnvelope) -> bool {
        false
    }

    fn apply(
        &self,
        record: &SlateEnvelope,
        state: &mut Working<SlateValue>,
        task: &mut TaskState,
        out: &mut Outbox,
    ) {
        let mut scope = Scope {
            options: &self.options,
            envelope: record,
            working: state,
            task,
            out,
        };
        match &record.record {
            SlateRecord::Shown(impression) => scope.shown(impression),
            SlateRecord::Interacted {
                slate,
                product,
                kind,
                at,
                value,
                pieces,
                visitor,
            } => {
                let interaction = SlatePending {
                    product: product.clone(),
                    kind: *kind,
                    at: *at,
                    value: *value,
                    pieces: *pieces,
                    visitor: *visitor,
                };
                scope.interacted(slate, interaction);
            }
            SlateRecord::Tick => scope.tick(),
            SlateRecord::Expire { hour } => scope.expire(*hour),
            SlateRecord::Forget { keys } => scope.forget(keys),
        }
    }
}

/// The state key of a slate.
fn slate_key(slate: &SlateId) -> String {
    ["s/", slate.as_str()].concat()
}

/// The state of a slate, when the value is one.
fn as_slate(value: &SlateValue) -> Option<&SlateState> {
    match value {
        SlateValue::Slate(state) => Some(state),
        SlateValue::Expiry(_) => None,
    }
}

impl Scope<'_> {
    /// The state of a slate, where there is one.
    fn slate(&self, key: &str) -> Option<&SlateState> {
        self.working.get(key).and_then(as_slate)
    }

    /// The state of a slate, to be changed; made and enlisted where there is none, `None` where
    /// it cannot be enlisted.
    fn slate_mut(&mut self, key: &str) -> Option<&mut SlateState> {
        if self.slate(key).is_none() && !self.enlist(key) {
            return None;
        }
        let first_ingest = self.envelope.ingest_time;
        let empty = || SlateState {
            first_ingest,
            ..SlateState::default()
        };
        match self
            .working
            .entry(key, || SlateValue::Slate(Box::new(empty())))
        {
            SlateValue::Slate(state) => Some(state),
            // Keys of slates and of buckets differ in their first byte.
            SlateValue::Expiry(_) => None,
        }
    }
}
