//! The engine over in-memory ports: the main job, faults, crashes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod crash;
mod import;
mod journey;
mod relay;
mod support;
