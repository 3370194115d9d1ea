//! The whole test command: named steps, in order, until the first that fails.

use crate::{cargo, demo, schemathesis};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// What of the test command to run.
#[derive(Debug, Default)]
pub struct Options {
    /// Just the step of this name.
    pub only: Option<String>,
    /// Without the steps that need Python.
    pub without_python: bool,
}

/// One step of the test command.
struct Step {
    name: &'static str,
    needs_python: bool,
    run: fn(&Path) -> Result<()>,
}

/// Every step, the quickest to fail first. The rules of `tidy` are a test among the others.
const STEPS: [Step; 6] = [
    Step {
        name: "fmt",
        needs_python: false,
        run: |root| cargo::run(cargo::command(root).args(["fmt", "--all", "--check"])),
    },
    Step {
        name: "clippy",
        needs_python: false,
        run: clippy,
    },
    Step {
        name: "test",
        needs_python: false,
        run: |root| cargo::run(cargo::command(root).args(["test", "--workspace", "--locked"])),
    },
    Step {
        name: "build",
        needs_python: false,
        run: build,
    },
    Step {
        name: "schemathesis",
        needs_python: true,
        run: schemathesis::run,
    },
    Step {
        name: "demo",
        needs_python: false,
        run: demo::run,
    },
];

/// What became of a step.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    Skipped,
}

/// Runs the steps and prints what became of each.
///
/// # Errors
/// When a step fails, or there is none of the name asked for.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| options.only.as_deref().is_none_or(|only| only == step.name))
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no such step; there are: {}", names.join(", "));
    }
    let mut outcomes = Vec::new();
    let mut failure = None;
    for step in chosen {
        if options.without_python && step.needs_python {
            println!("==> {}: SKIPPED, --without-python was given", step.name);
            outcomes.push((step.name, Outcome::Skipped));
            continue;
        }
        println!("==> {}", step.name);
        let began = Instant::now();
        let result = (step.run)(root);
        let took = began.elapsed();
        if let Err(error) = result {
            outcomes.push((step.name, Outcome::Failed(took)));
            failure = Some(error.context(format!("step {} failed", step.name)));
            break;
        }
        outcomes.push((step.name, Outcome::Passed(took)));
    }
    summarise(&outcomes);
    failure.map_or(Ok(()), Err)
}

fn summarise(outcomes: &[(&str, Outcome)]) {
    println!("==> summary");
    for (name, outcome) in outcomes {
        match outcome {
            Outcome::Passed(took) => println!("{name:<14} passed  {:>7.1} s", took.as_secs_f64()),
            Outcome::Failed(took) => println!("{name:<14} FAILED  {:>7.1} s", took.as_secs_f64()),
            Outcome::Skipped => println!("{name:<14} SKIPPED"),
        }
    }
}

fn clippy(root: &Path) -> Result<()> {
    let mut command = cargo::command(root);
    command.args(["clippy", "--workspace", "--all-targets", "--locked"]);
    cargo::run(command.args(["--", "-D", "warnings"]))
}

/// Builds the binary that the black-box steps run.
fn build(root: &Path) -> Result<()> {
    // The same packages, targets and so features as `cargo test` has just built: alone with
    // `-p vitrina-server`, features differ and half of the dependencies are compiled once more.
    let mut command = cargo::command(root);
    cargo::run(command.args(["build", "--workspace", "--bins", "--tests", "--locked"]))?;
    let binary = binary(root)?;
    if !binary.is_file() {
        bail!("{} was not built", binary.display());
    }
    Ok(())
}

/// The binary `vitrina` in the dev profile.
pub(crate) fn binary(root: &Path) -> Result<std::path::PathBuf> {
    let metadata = cargo::members(root).context("where does Cargo build?")?;
    Ok(metadata.target_directory.join("debug/vitrina"))
}
