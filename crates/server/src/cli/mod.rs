//! The command line. One file per command; results on stdout, all else on stderr.
//!
//! A command that needs an engine goes through the [`Door`](crate::door::Door): to the running
//! server if there is one, else it opens the data directory itself. Both speak the HTTP API, so
//! every command is written once.

mod args;
mod backup;
mod ban;
mod bar;
mod bench;
mod check;
mod checkpoint;
mod config;
mod dead_letters;
mod demo;
mod doctor;
mod explain;
mod failure;
mod filtered_events;
mod import;
mod late_events;
mod logging;
mod manifest;
mod openapi;
mod out;
mod product;
mod recommend;
mod replay;
mod restore;
mod rows;
mod serve;
mod shell;
mod status;
mod table;

pub use args::{Cli, Command};

pub use failure::Failure;

use clap::Parser;
use shell::Shell;
use std::process::ExitCode;

/// Reads the command line and does what it says. Exit codes: 0 done, 1 failed, 2 wrong use.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let shell = Shell::new(cli.common);
    let done = match runtime() {
        Ok(runtime) => runtime.block_on(run(&shell, cli.command)),
        Err(error) => Err(Failure::from(error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            shell.out.fail(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

async fn run(shell: &Shell, command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(shell, &args).await,
        Command::Serve(args) => serve::run(shell, &args).await,
        Command::Import(args) => import::run(shell, &args).await,
        Command::Recommend(args) => recommend::run(shell, &args).await,
        Command::Ban(args) => ban::run(shell, &args).await,
        Command::Product(args) => product::run(shell, &args).await,
        Command::Explain(args) => explain::run(shell, &args).await,
        Command::Status => status::run(shell).await,
        Command::Doctor => doctor::run(shell).await,
        Command::Backup(args) => backup::run(shell, &args).await,
        Command::Checkpoint(args) => checkpoint::run(shell, &args).await,
        Command::Replay(args) => replay::run(shell, &args).await,
        Command::Restore(args) => restore::run(shell, &args).await,
        Command::Rows(args) => rows::run(shell, &args).await,
        Command::Config(args) => config::run(shell, &args),
        Command::DeadLetters(args) => dead_letters::run(shell, &args).await,
        Command::LateEvents(args) => late_events::run(shell, &args).await,
        Command::FilteredEvents(args) => filtered_events::run(shell, &args).await,
        Command::Bench(args) => bench::run(shell, &args).await,
        Command::Openapi => openapi::run(shell),
    }
}
