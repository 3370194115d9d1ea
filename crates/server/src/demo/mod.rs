//! The demo: real visitors of a real shop, replayed into a whole engine.
//!
//! The sample is part of the binary. Its events go through the same intake as those of a shop,
//! under fresh event ids, and questions are asked for the visitors who are there.

pub mod asker;
pub mod replay;
pub mod sample;
pub mod summary;

pub use asker::Asker;
pub use replay::{Replay, Speed};
pub use sample::Sample;
pub use summary::Summary;

/// The demo cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The sample in the binary does not read.
    #[error("the sample does not read: {0}")]
    Sample(String),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] vitrina_engine::EngineError),
}
