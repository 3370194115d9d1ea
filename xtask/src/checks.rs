//! The whole test command: named steps, in order, until the first that fails.

use crate::{cargo, demo, schemathesis, services};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What of the test command to run.
#[derive(Debug, Default)]
pub struct Options {
    /// Just the step of this name.
    pub only: Option<String>,
    /// Without the steps that need Python.
    pub without_python: bool,
    /// Without services; tests that need them skip themselves.
    pub without_services: bool,
}

/// One step of the test command.
struct Step {
    name: &'static str,
    /// What it cannot do without.
    needs: Option<Need>,
    run: fn(&mut Ground) -> Result<()>,
}

/// What not every machine has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Python,
    /// It runs what talks to services; the step `services` goes with it.
    Services,
}

/// What steps stand on.
struct Ground {
    root: PathBuf,
    /// What tests find services by.
    environment: services::Environment,
    /// Services that we have brought up and so take down.
    started: Vec<&'static str>,
}

/// The step that brings services up.
const SERVICES: &str = "services";

/// Everything is checked and tested with the adapters of outside services in it.
const CLUSTER: &str = "--features=vitrina-server/cluster";

/// Services that tests talk to.
const TESTED_SERVICES: [&str; 3] = ["kafka", "redis", "redis-cluster"];

/// Every step, the quickest to fail first. The rules of `tidy` are a test among the others.
const STEPS: [Step; 7] = [
    Step {
        name: "fmt",
        needs: None,
        run: |ground| cargo::run(cargo::command(&ground.root).args(["fmt", "--all", "--check"])),
    },
    Step {
        name: "clippy",
        needs: None,
        run: |ground| clippy(&ground.root),
    },
    Step {
        name: SERVICES,
        needs: Some(Need::Services),
        run: bring_up,
    },
    Step {
        name: "test",
        needs: Some(Need::Services),
        run: test,
    },
    Step {
        name: "build",
        needs: None,
        run: |ground| build(&ground.root),
    },
    Step {
        name: "schemathesis",
        needs: Some(Need::Python),
        run: |ground| schemathesis::run(&ground.root),
    },
    Step {
        name: "demo",
        needs: None,
        run: |ground| demo::run(&ground.root),
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
    let chosen = chosen(options.only.as_deref())?;
    let mut ground = Ground {
        root: root.to_owned(),
        environment: services::Environment::new(),
        started: Vec::new(),
    };
    if options.without_services {
        let variable = services::WITHOUT.to_owned();
        ground.environment.insert(variable, "1".to_owned());
    }
    let mut outcomes = Vec::new();
    let mut done = run_steps(&chosen, options, &mut ground, &mut outcomes);
    let cleared = take_down(&ground, done.is_err());
    if done.is_ok() {
        done = cleared;
    } else if let Err(error) = cleared {
        eprintln!("{error:#}");
    }
    summarise(&outcomes);
    done
}

/// The step of that name and what it needs, or all.
fn chosen(only: Option<&str>) -> Result<Vec<&'static Step>> {
    let Some(only) = only else {
        return Ok(STEPS.iter().collect());
    };
    let Some(asked) = STEPS.iter().find(|step| step.name == only) else {
        let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
        bail!("no such step; there are: {}", names.join(", "));
    };
    let goes_with = |step: &Step| {
        step.name == only || step.name == SERVICES && asked.needs == Some(Need::Services)
    };
    Ok(STEPS.iter().filter(|step| goes_with(step)).collect())
}

fn run_steps(
    chosen: &[&'static Step],
    options: &Options,
    ground: &mut Ground,
    outcomes: &mut Vec<(&'static str, Outcome)>,
) -> Result<()> {
    for step in chosen {
        if let Some(option) = skipped_by(step, options) {
            println!("==> {}: SKIPPED, {option} was given", step.name);
            outcomes.push((step.name, Outcome::Skipped));
            continue;
        }
        println!("==> {}", step.name);
        let began = Instant::now();
        let result = (step.run)(ground);
        let took = began.elapsed();
        if let Err(error) = result {
            outcomes.push((step.name, Outcome::Failed(took)));
            return Err(error.context(format!("step {} failed", step.name)));
        }
        outcomes.push((step.name, Outcome::Passed(took)));
    }
    Ok(())
}

/// The option that a step is skipped by. Tests run without services too, all but a few of them.
fn skipped_by(step: &Step, options: &Options) -> Option<&'static str> {
    if step.needs == Some(Need::Python) && options.without_python {
        return Some("--without-python");
    }
    (step.name == SERVICES && options.without_services).then_some("--without-services")
}

fn bring_up(ground: &mut Ground) -> Result<()> {
    for name in TESTED_SERVICES {
        // One by one: those before one that fails are known, and taken down.
        let up = services::up(&ground.root, &[name])?;
        ground.environment.extend(up.environment);
        ground.started.extend(up.started);
    }
    Ok(())
}

/// Ends what we started, and only that: a service that somebody had up stays.
fn take_down(ground: &Ground, keep: bool) -> Result<()> {
    if ground.started.is_empty() {
        return Ok(());
    }
    if keep {
        println!("the logs of the services stay in target/services");
    }
    services::down(&ground.root, &ground.started, keep)
}

fn test(ground: &mut Ground) -> Result<()> {
    let mut command = cargo::command(&ground.root);
    command.args(["test", "--workspace", "--locked", CLUSTER]);
    cargo::run(command.envs(&ground.environment))
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
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        CLUSTER,
    ]);
    cargo::run(command.args(["--", "-D", "warnings"]))
}

/// Builds the binary that the black-box steps run.
fn build(root: &Path) -> Result<()> {
    // The same packages, targets and so features as `cargo test` has just built: alone with
    // `-p vitrina-server`, features differ and half of the dependencies are compiled once more.
    let mut command = cargo::command(root);
    cargo::run(command.args([
        "build",
        "--workspace",
        "--bins",
        "--tests",
        "--locked",
        CLUSTER,
    ]))?;
    let binary = binary(root)?;
    if !binary.is_file() {
        bail!("{} was not built", binary.display());
    }
    Ok(())
}

/// The binary `vitrina` in the dev profile.
pub(crate) fn binary(root: &Path) -> Result<PathBuf> {
    let metadata = cargo::members(root).context("where does Cargo build?")?;
    Ok(metadata.target_directory.join("debug/vitrina"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: Option<&str>, options: &Options) -> Vec<&'static str> {
        let chosen = chosen(only).unwrap().into_iter();
        let left = chosen.filter(|step| skipped_by(step, options).is_none());
        left.map(|step| step.name).collect()
    }

    #[test]
    fn choices() {
        let all = Options::default();
        let bare = Options {
            without_python: true,
            without_services: true,
            ..Options::default()
        };
        let without = ["fmt", "clippy", "test", "build", "demo"];
        #[rustfmt::skip]
        let cases: [(&str, Option<&str>, &Options, &[&str]); 5] = [
            ("bare",                    None,             &bare, &without),
            ("tests bring services",    Some("test"),     &all,  &["services", "test"]),
            ("unless told not to",      Some("test"),     &bare, &["test"]),
            ("nothing else does",       Some("clippy"),   &all,  &["clippy"]),
            ("services alone",          Some("services"), &all,  &["services"]),
        ];
        for (name, only, options, want) in cases {
            assert_eq!(names(only, options), want, "{name}");
        }
        assert_eq!(names(None, &all).len(), STEPS.len());
        let error = chosen(Some("tests")).err().unwrap().to_string();
        assert!(
            error.contains("there are: fmt, clippy, services, test, "),
            "{error}"
        );
    }
}
