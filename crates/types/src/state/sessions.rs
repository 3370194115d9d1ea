//! Sessions whose rows may still change, as stored.

use crate::row::{Measures, TimeWindow};
use crate::stored::Stored;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// A session that still takes events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenSession {
    /// From its first event to its gap behind the newest one.
    pub window: TimeWindow,
    /// Which contribution to its row.
    pub part: u64,
    /// How often the row of exactly this window was told: the pane that is told next. What was
    /// told last says all of `measures`; 0 when nothing was told of this window.
    pub told: u32,
    /// Everything measured in it so far, without visitors: there is one.
    pub measures: Measures,
}

/// All open sessions of one visitor in one lane, in the order they were opened; under
/// `~r/s/l/<visitor key>` what happens now, under `~r/s/b/<visitor key>` old data being loaded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct OpenSessions(pub SmallVec<[OpenSession; 1]>);

impl Stored for OpenSessions {
    const NAME: &'static str = "open sessions";
    const VERSION: u8 = 1;
}
