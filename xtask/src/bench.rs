//! Benchmarks in release, their results kept as JSON.

use crate::cargo;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};

/// Builds the binary in release and runs each named benchmark, or all of them together.
///
/// The results are written to `<target>/bench/<name>.json`, or `all.json`.
///
/// # Errors
/// When the build or a benchmark fails, or a result is not JSON.
pub fn run(root: &Path, names: &[&str]) -> Result<()> {
    let mut build = cargo::command(root);
    cargo::run(build.args([
        "build",
        "--release",
        "--locked",
        "--package",
        "vitrina-server",
    ]))?;
    let target = cargo::members(root)?.target_directory;
    let binary = target.join("release/vitrina");
    let results = target.join("bench");
    std::fs::create_dir_all(&results)?;
    if names.is_empty() {
        return measure(&binary, None, &results.join("all.json"));
    }
    for name in names {
        measure(&binary, Some(name), &results.join(format!("{name}.json")))?;
    }
    Ok(())
}

fn measure(binary: &Path, name: Option<&str>, result: &Path) -> Result<()> {
    let mut command = Command::new(binary);
    command.args(["bench", "--json"]).args(name);
    println!("$ {}", cargo::describe(&command));
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("could not start {}", binary.display()))?;
    ensure!(
        done.status.success(),
        "the benchmark failed: {}",
        done.status
    );
    let _: serde_json::Value =
        serde_json::from_slice(&done.stdout).context("the benchmark's result is not JSON")?;
    std::fs::write(result, &done.stdout)?;
    println!("wrote {}", result.display());
    Ok(())
}
