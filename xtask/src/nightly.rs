//! What takes too long for every change: the simulation at length.

use crate::cargo;
use anyhow::Result;
use std::path::Path;

/// Schedules of the simulation.
const SCHEDULES: u32 = 10_000;

/// Runs the simulation of the stream in release, with [`SCHEDULES`] schedules, and every wrong
/// variant.
///
/// # Errors
/// When a law was broken, or a wrong variant was not noticed; the seed is in the output.
pub fn run(root: &Path) -> Result<()> {
    let mut command = cargo::command(root);
    command.env("VITRINA_SIMULATION_SCHEDULES", SCHEDULES.to_string());
    command.args([
        "test",
        "--release",
        "--locked",
        "--package",
        "vitrina-engine",
    ]);
    cargo::run(command.args([
        "--lib",
        "simulation::",
        "--",
        "--nocapture",
        "--test-threads=1",
    ]))
}
