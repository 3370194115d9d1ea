//! All ports on one data directory: the default.
//!
//! ```text
//! <data dir>/
//!   log/                 the event log: truth of behaviour
//!   catalogue/           records and outbox: truth, fsynced before it is acknowledged
//!   catalogue.cut-<n>    journal of the catalogue as a power cut left it, before its torn last
//!                        batch was cut off
//!   state/               keyed state and slates: derived, may lag behind the log
//!   state.damaged-<n>/   a state that could not be read; it was begun anew and replayed
//!   analytics/           window rows: derived, with the position they stand for
//!   analytics.damaged-<n>/
//!                        rows that could not be read; they were begun anew
//! ```
//!
//! `state/`, `catalogue/` and `analytics/` are fjall databases, `log/` is our own segments. A
//! process opens a data directory alone: the second one is refused.

pub mod analytics;
pub mod catalogue;
pub mod disk;
mod kv;
pub mod log;
pub mod slates;
pub mod state;

#[cfg(test)]
mod crash;
