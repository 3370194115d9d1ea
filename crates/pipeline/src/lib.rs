//! From a query to a slate: hydrate query → sources → hydrate candidates → filter → score →
//! re-rank → select.
//!
//! Nothing here waits, fails or reads a clock: an answer is a function of the query, the
//! visitor's state, the [`items::ItemTable`] and the configuration, and replays exactly from
//! them. Components live one per file and enter their stage by one line in its `all()`.

pub mod candidate;
pub mod config;
mod dense;
pub mod filters;
pub mod hydrate;
pub mod items;
pub mod query;
mod recommend;
pub mod rerankers;
pub mod scorers;
mod scratch;
pub mod selectors;
pub mod slate;
pub mod sources;
#[cfg(test)]
mod tests;
pub mod trace;
mod view;
pub mod why;

pub use candidate::Candidate;
pub use config::{PipelineConfig, PlacementConfig};
pub use items::{CategoryIx, ItemConfig, ItemTable};
pub use query::{Purpose, Query, QueryFilter};
pub use recommend::recommend;
pub use scratch::Scratch;
pub use slate::{Reason, Slate, SlateItem};
pub use trace::Trace;
pub use view::View;
pub use why::why;
