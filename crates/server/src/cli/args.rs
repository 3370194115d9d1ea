//! What can be typed.

use super::{
    backup, ban, bench, checkpoint, config, dead_letters, demo, explain, filtered_events, import,
    late_events, product, recommend, replay, restore, rows, serve,
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
    /// Directory of the data [default: vitrina-data; of demo: vitrina-demo]
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

impl Global {
    /// The options, with a blank before each, that lead another command to the same data. The API
    /// key is not repeated, and what comes from the environment need not be.
    pub(crate) fn where_said(&self) -> String {
        let quoted = |text: String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:~+@%".contains(c);
            if !text.is_empty() && text.chars().all(plain) {
                return text;
            }
            format!("'{}'", text.replace('\'', "'\\''"))
        };
        let path = |path: &PathBuf| path.display().to_string();
        let options = [
            ("data-dir", self.data_dir.as_ref().map(path)),
            ("config", self.config.as_ref().map(path)),
            ("url", self.url.clone()),
        ];
        let said = options.into_iter().filter_map(|(name, value)| {
            let value = quoted(value?);
            Some(format!(" --{name} {value}"))
        });
        said.collect()
    }
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
    /// List checkpoints, and make one the state of a stopped server
    Checkpoint(checkpoint::CheckpointArgs),
    /// Recompute everything from the event log and compare it with what is stored
    Replay(replay::ReplayArgs),
    /// Bring back a backup into an empty data directory
    Restore(restore::RestoreArgs),
    /// Show the configuration
    Config(config::ConfigArgs),
    /// Look at inputs that could not be processed, and take them in again
    DeadLetters(dead_letters::DeadLettersArgs),
    /// Look at what came after its window was closed
    LateEvents(late_events::LateEventsArgs),
    /// Look at offered products that a ban holds back
    FilteredEvents(filtered_events::FilteredEventsArgs),
    /// Make window rows straight from files of events; can be stopped and run again
    Rows(rows::RowsArgs),
    /// Measure this machine at the main job
    Bench(bench::BenchArgs),
    /// Print the OpenAPI document
    Openapi,
}

#[cfg(test)]
mod tests;
