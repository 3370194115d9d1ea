//! The engine over in-memory ports: the main job, faults, crashes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checkpoint;
mod crash;
mod dead_letters;
mod group;
mod import;
mod journey;
mod relay;
mod roles;
mod support;
