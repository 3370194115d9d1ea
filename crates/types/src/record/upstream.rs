//! How a re-keyed stage learns how far event time has come.

use crate::time::Progress;
use serde::{Deserialize, Serialize};

/// A task upstream tells how far it has come: everything it will ever send for an earlier event
/// time was sent before this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Which task: its partition. Tasks that read files count on from
    /// [`crate::partition::PARTITIONS`].
    pub from: u16,
    /// How many tasks load old data side by side with it, where that is known beforehand: then
    /// all of them are waited for. 0 where it is not.
    pub of: u16,
    /// How far.
    pub progress: Progress,
}
