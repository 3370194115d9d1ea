//! The words of Vitrina: ids, times, money, scores, events, products, records.
//!
//! Nothing here does anything: no I/O, no clock, no thread. Every other crate speaks in these
//! types, and whatever is stored or sent between processes has its versioned form in
//! [`stored`].

pub mod answer;
pub mod ban;
pub mod decayed;
pub mod event;
pub mod id;
pub mod limits;
pub mod money;
pub mod partition;
pub mod product;
pub mod record;
pub mod rollup;
pub mod row;
pub mod score;
pub mod sketch;
pub mod state;
pub mod stored;
pub mod time;
pub mod topic;
