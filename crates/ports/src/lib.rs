//! What Vitrina asks of the world.
//!
//! Each port is a small trait, with its in-memory twin (`memory`) and one test suite (`suite`)
//! that the twin and every adapter must pass. The traits say what is atomic, what is durable and
//! in which order things become visible; they say nothing of how.
//!
//! An adapter's test is one line, and so is a port that fails on purpose ([`faulty`]).

pub mod analytics;
pub mod broker;
pub mod catalogue;
pub mod error;
pub mod faulty;
pub mod log;
pub mod seat;
pub mod slates;
pub mod snapshots;
pub mod state;
pub mod suite;

pub use error::{Blame, PortError, PortFuture, Retry};
