//! What became of a batch of events.

use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;
use vitrina_engine::{Receipt, RejectedEvent};
use vitrina_types::event::Rejection;

/// One input that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedItem {
    /// Its place in the request, from 0; blank lines do not count.
    #[schema(example = 3)]
    pub index: usize,
    /// Stable, for a program.
    #[schema(value_type = String, example = "unknown_event_type")]
    pub code: Cow<'static, str>,
    /// The field at fault; empty when the whole item is.
    #[schema(value_type = String, example = "event_type")]
    pub field: Cow<'static, str>,
    /// What is wrong and what is expected, for a person.
    #[schema(example = "\"viewed\" is none of view, click, …")]
    pub detail: String,
}

impl RejectedItem {
    /// The refusal of the item at `index`.
    pub fn new(index: usize, rejection: Rejection) -> Self {
        Self {
            index,
            code: rejection.code,
            field: rejection.field,
            detail: rejection.detail,
        }
    }
}

impl From<RejectedEvent> for RejectedItem {
    fn from(rejected: RejectedEvent) -> Self {
        Self::new(rejected.index, rejected.rejection)
    }
}

/// Events are durable in the log; the ones that were refused are dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntakeReceipt {
    /// Events accepted.
    #[schema(example = 998)]
    pub accepted: usize,
    /// Opaque: what `after=` of an answer takes to know these events.
    #[schema(example = "AQMH")]
    pub position: String,
    /// The others.
    pub rejected: Vec<RejectedItem>,
}

impl From<Receipt> for IntakeReceipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            accepted: receipt.accepted,
            position: receipt.position.to_string(),
            rejected: receipt.rejected.into_iter().map(Into::into).collect(),
        }
    }
}

/// How far the import of one source has come.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportPosition {
    /// The source: a file's fingerprint.
    pub source: String,
    /// The next position to send; `null` when nothing of it was taken in yet.
    #[schema(required = true)]
    pub position: Option<u64>,
}
