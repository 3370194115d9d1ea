//! `vitrina explain`: why a slate is as it is.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::client::{ClientError, encoded};
use crate::door::Need;
use clap::Args;
use serde_json::Value;

/// Candidates without a place that are printed for people.
const NOT_SHOWN_MAX: usize = 10;

/// Arguments of `vitrina explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The slate's id, as the answer gave it
    slate: String,
}

pub(crate) async fn run(shell: &Shell, args: &ExplainArgs) -> Result<(), Failure> {
    let door = shell.door(Need::Existing).await?;
    let path = format!("/v1/slates/{}/explain", encoded(&args.slate));
    let why = door.get::<Value>(&path).await;
    door.close().await?;
    let why = why.map_err(|error| {
        let unknown = matches!(&error, ClientError::Refused { status: 404, .. });
        let failure = Failure::from(error);
        if unknown {
            failure.hint("slates can be explained for 7 days")
        } else {
            failure
        }
    })?;
    shell.out.show(&why, || as_text(&why))
}

fn as_text(slate: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!(
        "slate {} for {} at {}, {}\n\n",
        text(&slate["slate_id"]),
        slate["user_id"].as_str().unwrap_or("a visitor without id"),
        text(&slate["placement"]),
        text(&slate["at"]),
    );
    let why = &slate["why"];
    let Some(shown) = why["shown"].as_array() else {
        let items = slate["items"].as_array().map_or(&[][..], Vec::as_slice);
        let row = |item: &Value| {
            [
                text(&item["product"]["title"]),
                score(&item["score"]),
                text(&item["source"]),
            ]
        };
        let rows: Vec<_> = items.iter().map(row).collect();
        out += &table(["product", "score", "source"], &rows);
        return out + "\n\nthe reasons of this slate are no longer kept";
    };
    let head = [
        "product", "score", "recall", "affinity", "popular", "fresh", "seen", "source",
    ];
    let rows: Vec<_> = shown.iter().map(candidate).collect();
    out += &table(head, &rows);
    if let Some(others) = why["not_shown"]
        .as_array()
        .filter(|others| !others.is_empty())
    {
        let rows: Vec<_> = others.iter().take(NOT_SHOWN_MAX).map(candidate).collect();
        out += &format!(
            "\n\nbest of {} that found no place\n{}",
            others.len(),
            table(head, &rows)
        );
    }
    let removed = why["removed"].as_array().map_or(&[][..], Vec::as_slice);
    let mut by_filter = std::collections::BTreeMap::<String, usize>::new();
    for one in removed {
        *by_filter.entry(text(&one["removed_by"])).or_default() += 1;
    }
    for (filter, count) in by_filter {
        out += &format!("\n{count} removed by {filter}");
    }
    out
}

fn candidate(one: &Value) -> [String; 8] {
    let parts = &one["parts"];
    [
        one["title"].as_str().unwrap_or_default().to_owned(),
        score(&one["score"]),
        score(&parts["recall"]),
        score(&parts["affinity"]),
        score(&parts["popularity"]),
        score(&parts["freshness"]),
        score(&parts["seen"]),
        one["source"].as_str().unwrap_or_default().to_owned(),
    ]
}

fn score(value: &Value) -> String {
    format!("{:.3}", value.as_f64().unwrap_or_default())
}
