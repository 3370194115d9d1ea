//! Disks that go wrong on purpose, for tests of this crate and of those above it.

mod faulty;
mod power_cut;

pub use faulty::FaultyDisk;
pub use power_cut::{Loss, PowerCutDisk};
