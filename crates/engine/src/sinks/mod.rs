//! Sinks: what follows output topics into stores outside the stream, each with its own position.

mod analytics;
mod catalogue;

pub(crate) use analytics::AnalyticsSink;
pub(crate) use catalogue::{CatalogueSink, consumer as catalogue_consumer};
