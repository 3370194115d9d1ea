//! `vitrina late-events`: what came after its window was closed.

use super::failure::Failure;
use super::shell::Shell;
use super::table::table;
use crate::door::Need;
use clap::{Args, Subcommand};
use serde_json::Value;

/// Arguments of `vitrina late-events`.
#[derive(Debug, Args)]
pub struct LateEventsArgs {
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

pub(crate) async fn run(shell: &Shell, args: &LateEventsArgs) -> Result<(), Failure> {
    let What::List { limit, before } = &args.what;
    let before = before.map(|number| format!("&before={number}"));
    let path = format!(
        "/v1/late-events?limit={limit}{}",
        before.unwrap_or_default()
    );
    let door = shell.door(Need::Existing).await?;
    let page = door.get::<Value>(&path).await;
    door.close().await?;
    let page = page?;
    shell.out.show(&page, || as_text(&page))
}

fn as_text(page: &Value) -> String {
    let late = page["late_events"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    if late.is_empty() {
        return "no late events".to_owned();
    }
    let rows: Vec<_> = late.iter().map(row).collect();
    let head = [
        "#",
        "found by",
        "row",
        "window",
        "happened",
        "late by",
        "would have counted",
    ];
    table(head, &rows)
}

fn row(late: &Value) -> [String; 7] {
    let text = |key: &str| late[key].as_str().unwrap_or_default().to_owned();
    let late_s = late["late_ms"].as_f64().unwrap_or_default() / 1_000.0;
    [
        late["number"].to_string(),
        text("operator"),
        format!("{}/{}", text("dimension"), text("id")),
        format!("{} – {}", text("window_start"), text("window_end")),
        text("event_time"),
        format!("{late_s:.1} s"),
        counted(late),
    ]
}

/// Events and money on one line.
fn counted(late: &Value) -> String {
    let events = late["events"].as_object().into_iter().flatten();
    let mut parts: Vec<String> = events
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    for value in late["values"].as_array().into_iter().flatten() {
        let currency = value["currency"].as_str().unwrap_or_default();
        let amount = value["amount"].as_f64().unwrap_or_default();
        parts.push(format!("{amount:.2} {currency}"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_late_event_reads_as_a_row() {
        let late = json!({"number": 3, "operator": "product-stage", "dimension": "product",
            "id": "p1", "window_start": "a", "window_end": "b", "event_time": "c",
            "late_ms": 1500, "events": {"purchase": 2},
            "values": [{"event_type": "purchase", "amount": 9.5, "currency": "USD"}]});
        let want = [
            "3",
            "product-stage",
            "product/p1",
            "a – b",
            "c",
            "1.5 s",
            "2 purchase, 9.50 USD",
        ];
        assert_eq!(row(&late), want);
        assert_eq!(as_text(&json!({"late_events": []})), "no late events");
    }
}
