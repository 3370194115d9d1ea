//! What can be typed.

use super::{
    backup, ban, bench, config, dead_letters, demo, explain, import, product, recommend, replay,
    restore, serve,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Real-time recommendations for shops, in one binary.
#[derive(Debug, Parser)]
#[command(
    name = "vitrina",
    version,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// For every command.
    #[command(flatten)]
    pub common: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Directory of the data [default: vitrina-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file [default: vitrina.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE", env = "VITRINA_CONFIG")]
    pub config: Option<PathBuf>,
    /// Server to talk to [default: the one that runs on the data directory]
    #[arg(long, global = true, value_name = "URL", env = "VITRINA_URL")]
    pub url: Option<String>,
    /// API key for that server
    #[arg(
        long,
        global = true,
        value_name = "KEY",
        env = "VITRINA_API_KEY",
        hide_env_values = true
    )]
    pub api_key: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything in one process, with real sample data and a console to look at
    Demo(demo::DemoArgs),
    /// Serve the HTTP API and the console
    Serve(serve::ServeArgs),
    /// Load events or products from a file; can be stopped and run again, nothing counts twice
    Import(import::ImportArgs),
    /// Ask what to show to a user
    Recommend(recommend::RecommendArgs),
    /// Keep products out of all answers
    Ban(ban::BanArgs),
    /// Look at products and write them
    Product(product::ProductArgs),
    /// Say why a slate is as it is
    Explain(explain::ExplainArgs),
    /// Everything at a glance
    Status,
    /// Look for what is wrong with the machine, the data and the server, and say what to do
    Doctor,
    /// Copy the data directory of a stopped server
    Backup(backup::BackupArgs),
    /// Recompute everything from the event log and compare it with what is stored
    Replay(replay::ReplayArgs),
    /// Bring back a backup into an empty data directory
    Restore(restore::RestoreArgs),
    /// Show the configuration
    Config(config::ConfigArgs),
    /// Look at inputs that could not be processed
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Measure this machine at the main job
    Bench(bench::BenchArgs),
    /// Print the OpenAPI document
    Openapi,
}

#[cfg(test)]
mod tests;
