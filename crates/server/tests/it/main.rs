//! The binary from outside.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
mod checkpoints;
mod cli;
#[cfg(feature = "cluster")]
mod cluster;
mod disk_full;
mod http;
mod kill;
mod power_cut;
mod requests;
mod support;
