//! `vitrina status`: everything at a glance.

use super::failure::Failure;
use super::shell::Shell;
use crate::door::{Door, Need};
use serde_json::Value;

pub(crate) async fn run(shell: &Shell) -> Result<(), Failure> {
    let door = shell.door(Need::Existing).await?;
    let server = match &door {
        Door::Server(client) => Some(client.url().to_owned()),
        Door::Here(_) => None,
    };
    let status = door.get::<Value>("/v1/status").await;
    door.close().await?;
    let mut status = status?;
    status["server"] = server.clone().into();
    shell
        .out
        .show(&status, || as_text(&status, server.as_deref()))
}

fn as_text(status: &Value, server: Option<&str>) -> String {
    let place = server.unwrap_or("not running; read from the data directory");
    let mut lines = vec![
        ("server", place.to_owned()),
        ("up for", format!("{} s", count(&status["uptime_s"]))),
    ];
    lines.extend(traffic(status));
    lines.extend(storage(&status["storage"]));
    let lines = lines
        .into_iter()
        .map(|(name, value)| format!("{name:<13} {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Events and answers: how many, how often, how long.
fn traffic(status: &Value) -> Vec<(&'static str, String)> {
    let rate = |value: &Value| format!("{:.1}/s", value.as_f64().unwrap_or_default());
    let quantiles = |value: &Value| {
        let ms = |key: &str| {
            let ms = value[key].as_f64();
            ms.map_or("–".to_owned(), |ms| format!("{ms:.2}"))
        };
        format!(
            "p50 {} · p95 {} · p99 {} ms",
            ms("p50_ms"),
            ms("p95_ms"),
            ms("p99_ms")
        )
    };
    let lag = &status["lag"];
    let events = format!(
        "{} accepted, {} applied, {} refused · {}",
        count(&status["accepted"]),
        count(&status["applied"]),
        count(&status["refused"]),
        rate(&status["events_per_second"])
    );
    let waiting = format!(
        "{} user records, {} product records",
        count(&lag["users"]),
        count(&lag["products"])
    );
    let answers = format!(
        "{} · {}",
        count(&status["answers"]),
        rate(&status["answers_per_second"])
    );
    vec![
        ("events", events),
        ("waiting", waiting),
        ("answers", answers),
        ("answer time", quantiles(&status["answer"])),
        ("intake time", quantiles(&status["intake"])),
        ("freshness", quantiles(&status["freshness"])),
        ("products", count(&status["products"]).to_string()),
        ("dead letters", count(&status["dead_letters"]).to_string()),
    ]
}

/// The disk, and what was repaired on it.
fn storage(storage: &Value) -> Vec<(&'static str, String)> {
    let mebibytes = |value: &Value| format!("{:.1} MiB", count(value) as f64 / 1_048_576.0);
    let sizes = format!(
        "log {}, {} free, {} in reserve",
        mebibytes(&storage["log_bytes"]),
        mebibytes(&storage["free_bytes"]),
        mebibytes(&storage["reserve_bytes"])
    );
    let mut lines = vec![("storage", sizes)];
    for repair in storage["repairs"].as_array().into_iter().flatten() {
        lines.push(("repaired", repair.as_str().unwrap_or_default().to_owned()));
    }
    lines
}
