//! `vitrina checkpoint`: the checkpoints there are, and one of them as the state of a stopped
//! server.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::config::Settings;
use crate::door::{Need, running};
use crate::ports::{OpenError, Stores, has_data};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use vitrina_engine::{CheckpointId, EngineError, RestoreReport};

/// Arguments of `vitrina checkpoint`.
#[derive(Debug, Args)]
pub struct CheckpointArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them, newest first
    List,
    /// Make one of them the state of a stopped server whose state is empty
    Restore {
        /// Its name, as `checkpoint list` shows it
        id: CheckpointId,
    },
}

pub(crate) async fn run(shell: &Shell, args: &CheckpointArgs) -> Result<(), Failure> {
    match &args.what {
        What::List => list(shell).await,
        What::Restore { id } => restore(shell, id).await,
    }
}

async fn list(shell: &Shell) -> Result<(), Failure> {
    let door = shell.door(Need::Existing).await?;
    let found = door.get::<Value>("/v1/checkpoints").await;
    door.close().await?;
    let found = found?;
    shell.out.show(&found, || as_text(&found))
}

fn as_text(found: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |name: &str| found[name].as_array().into_iter().flatten();
    let good = of("checkpoints").map(|one| {
        let kind = if one["at_rest"] == true {
            "at rest"
        } else {
            ""
        };
        [
            text(&one["id"]),
            one["bytes"].to_string(),
            one["written_bytes"].to_string(),
            text(&one["release"]),
            kind.to_owned(),
        ]
    });
    let good: Vec<_> = good.collect();
    if good.is_empty() && of("damaged").next().is_none() {
        return "none yet: a server takes the first one soon after its start".to_owned();
    }
    let mut out = table(
        ["checkpoint", "bytes", "written for it", "release", ""],
        &good,
    );
    for one in of("damaged") {
        out += &format!("\ndamaged: {}", text(&one["reason"]));
    }
    out
}

async fn restore(shell: &Shell, id: &CheckpointId) -> Result<(), Failure> {
    super::logging::quiet();
    let settings = shell.settings()?;
    if let Some(server) = running(&settings.data_dir, None).await {
        let message = format!(
            "a server runs on {} ({})",
            settings.data_dir.display(),
            server.url()
        );
        return Err(Failure::new(message).hint("stop it first: it has a state of its own"));
    }
    if !has_data(&settings.data_dir) {
        return Err(Failure::from(OpenError::NoData(settings.data_dir)));
    }
    let done = put_back(&settings, id).await;
    let report = done.map_err(|error| refused(&settings, error))?;
    let mut result = serde_json::to_value(&report)?;
    result["data_dir"] = json!(settings.data_dir.display().to_string());
    shell.out.show(&result, || {
        format!(
            "{} values of {} partitions, {} bytes read, as of {} (release {}); the next start applies the log since",
            report.pairs, report.partitions, report.bytes, report.created_at, report.release
        )
    })
}

async fn put_back(settings: &Settings, id: &CheckpointId) -> Result<RestoreReport, OpenError> {
    let stopped = |_| OpenError::Engine(EngineError::Stopping);
    let opening = settings.clone();
    let opened = tokio::task::spawn_blocking(move || Stores::open(&opening)).await;
    let stores = opened.map_err(stopped)??;
    let restored = stores.restore(id).await;
    let closed = tokio::task::spawn_blocking(move || stores.close()).await;
    let report = restored?;
    closed.map_err(stopped)??;
    Ok(report)
}

fn refused(settings: &Settings, error: OpenError) -> Failure {
    let is_refused = matches!(
        error,
        OpenError::Engine(EngineError::CheckpointRefused { .. })
    );
    let failure = Failure::from(error);
    if is_refused {
        let state = settings.data_dir.join("state");
        return failure.hint(format!(
            "nothing was changed; move {} aside and run this again",
            state.display()
        ));
    }
    failure
}
