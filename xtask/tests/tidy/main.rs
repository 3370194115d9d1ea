//! The workspace keeps its rules, and every rule has been seen to fire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking, in what they share too"
)]

mod code;
mod lists;
mod sample;

#[test]
fn the_workspace_is_tidy() {
    let violations = xtask::tidy(&xtask::cargo::workspace_root()).expect("the workspace is read");
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(
        lines.is_empty(),
        "{} rules broken:\n{}",
        lines.len(),
        lines.join("\n")
    );
}
