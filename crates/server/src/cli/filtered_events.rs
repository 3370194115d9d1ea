//! `vitrina filtered-events`: offered products that a ban holds back.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::door::Need;
use clap::{Args, Subcommand};
use serde_json::Value;

/// Arguments of `vitrina filtered-events`.
#[derive(Debug, Args)]
pub struct FilteredEventsArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List them, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
        /// Only those with smaller numbers
        #[arg(long)]
        before: Option<u64>,
    },
}

pub(crate) async fn run(shell: &Shell, args: &FilteredEventsArgs) -> Result<(), Failure> {
    let What::List { limit, before } = &args.what;
    let before = before.map(|number| format!("&before={number}"));
    let path = format!(
        "/v1/filtered-events?limit={limit}{}",
        before.unwrap_or_default()
    );
    let door = shell.door(Need::Existing).await?;
    let page = door.get::<Value>(&path).await;
    door.close().await?;
    let page = page?;
    shell.out.show(&page, || as_text(&page))
}

fn as_text(page: &Value) -> String {
    let held = page["filtered_events"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if held.is_empty() {
        return "no ban holds an offered product back".to_owned();
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let row = |one: &Value| {
        let product = &one["product"];
        [
            one["number"].to_string(),
            text(&one["ingest_time"]),
            text(&product["product_id"]),
            text(&product["title"]),
            text(&product["brand"]),
            text(&one["ban_id"]),
        ]
    };
    let rows: Vec<_> = held.iter().map(row).collect();
    table(["#", "when", "product", "title", "brand", "held by"], &rows)
}
