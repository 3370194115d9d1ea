//! The project's own commands, run as `cargo xtask <command>`.
//!
//! [`tidy()`] keeps the rules that no lint keeps; [`checks`] is the whole test command;
//! [`mod@bench`] measures; [`services`] brings up what tests talk to. What they share sits in
//! [`cargo`].

pub mod bench;
pub mod cargo;
pub mod checks;
mod demo;
pub mod nightly;
mod schemathesis;
pub mod services;
pub mod tidy;

pub use tidy::tidy;
