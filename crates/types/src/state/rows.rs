//! What the stages that make window rows keep in memory as a whole, as stored.

use crate::record::Upstream;
use crate::row::Measures;
use crate::stored::Stored;
use crate::time::Progress;
use serde::{Deserialize, Serialize};

/// What a task knows of how far the tasks upstream have come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct GatherState {
    /// The newest each task upstream told, ascending by task. Filled in partition 0 only.
    pub tasks: Vec<Upstream>,
    /// What partition 0 told every partition of its own topic last.
    pub told: Progress,
    /// How far every task upstream has come, as this partition was told.
    pub reached: Progress,
}

impl Stored for GatherState {
    const NAME: &'static str = "gathered progress";
    const VERSION: u8 = 1;
}

/// What a product's card says that rows are kept by.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facets {
    /// From the widest category to the narrowest, as far as a row may be kept of it.
    pub category_path: Vec<Box<str>>,
    /// Brand; `None` for none, or one too long to be a row.
    pub brand: Option<Box<str>>,
}

/// What happened to one product in one window since it was told last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PartialCell {
    /// What to add to the rows.
    pub measures: Measures,
    /// The category and brand the product had when the first of it was counted.
    pub facets: Option<Box<Facets>>,
}

impl Stored for PartialCell {
    const NAME: &'static str = "partial sum";
    const VERSION: u8 = 1;
}

/// A row that is open.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RowCell {
    /// Everything measured in this part so far.
    pub measures: Measures,
    /// Which contribution to its (key, window).
    pub part: u64,
    /// The pane that is told next: how often it was told.
    pub pane: u32,
    /// Whether the newest pane says all of `measures`.
    pub is_told: bool,
}

impl Stored for RowCell {
    const NAME: &'static str = "open row";
    const VERSION: u8 = 1;
}
