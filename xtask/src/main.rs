//! Command line of `cargo xtask`.

use anyhow::{Context, Result, bail};
use std::process::ExitCode;
use xtask::{bench, cargo, checks, nightly, services, tidy};

const USAGE: &str = "\
usage: cargo xtask <command>

  tidy                      the rules that no lint keeps; also run by `cargo test`
  test                      every check, in order, until the first that fails
       --only STEP          just this one
       --without-python     skip the steps that need Python
       --without-services   bring up no services; tests that need them skip themselves
  nightly                   the simulation at length: 10,000 schedules, every wrong variant
  bench [NAME...]           run `vitrina bench` in release, write target/bench/<NAME>.json
  services up [NAME...]     bring up Kafka, Redis and PostgreSQL, write target/services/env
           down [NAME...]   take them down
                --keep      leave their data for the next `up`
           status           how they are";

/// Leaves the folders of services that are taken down.
const KEEP: &str = "--keep";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode> {
    let root = cargo::workspace_root();
    match arguments {
        ["tidy"] => {
            let violations = tidy(&root)?;
            for violation in &violations {
                println!("{violation}");
            }
            if violations.is_empty() {
                return Ok(ExitCode::SUCCESS);
            }
            bail!("{} rules broken", violations.len());
        }
        ["test", options @ ..] => checks::run(&root, &check_options(options)?)?,
        ["nightly"] => nightly::run(&root)?,
        ["bench", names @ ..] => bench::run(&root, names)?,
        ["services", "up", names @ ..] => {
            services::up(&root, names)?;
        }
        ["services", "down", arguments @ ..] => {
            let names: Vec<&str> = arguments.iter().copied().filter(|it| *it != KEEP).collect();
            services::down(&root, &names, arguments.contains(&KEEP))?;
        }
        ["services", "status"] => services::status(&root)?,
        ["help" | "--help" | "-h"] => println!("{USAGE}"),
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check_options(arguments: &[&str]) -> Result<checks::Options> {
    let mut options = checks::Options::default();
    let mut rest = arguments.iter();
    while let Some(&argument) = rest.next() {
        match argument {
            "--without-python" => options.without_python = true,
            "--without-services" => options.without_services = true,
            "--only" => {
                let step = rest.next().context("--only needs the name of a step")?;
                options.only = Some((*step).to_owned());
            }
            _ => bail!("unknown option {argument}\n{USAGE}"),
        }
    }
    Ok(options)
}
