//! The binary `vitrina` as a library: configuration, adapters by URL, HTTP, console, import,
//! demo and command line.
//!
//! This crate sees every other one and nothing sees it. It holds no rule of the domain: those
//! live in the crates below, and what is here is wiring and faces.

pub mod allocator;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod console;
pub mod demo;
pub mod door;
pub mod files;
pub mod http;
pub mod import;
pub mod ports;
mod random;
pub mod rows;
pub mod service;
pub mod serving;
