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
    lines.extend(stream(status));
    lines.extend(storage(&status["storage"]));
    let lines = lines
        .into_iter()
        .map(|(name, value)| format!("{name:<14} {value}"));
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
        "{} accepted, {} refused · {}",
        count(&status["accepted"]),
        count(&status["refused"]),
        rate(&status["events_per_second"])
    );
    // Ticks and what a stage sends itself are among them.
    let applied = format!("{} user records", count(&status["applied"]));
    let waiting = ["users", "products", "slates", "rows", "shop"];
    let waiting = waiting.map(|stage| format!("{} {stage}", count(&lag[stage])));
    let waiting = format!("{} records", waiting.join(", "));
    let answers = format!(
        "{} · {}",
        count(&status["answers"]),
        rate(&status["answers_per_second"])
    );
    vec![
        ("events", events),
        ("applied", applied),
        ("waiting", waiting),
        ("answers", answers),
        ("answer time", quantiles(&status["answer"])),
        ("intake time", quantiles(&status["intake"])),
        ("freshness", quantiles(&status["freshness"])),
        ("products", count(&status["products"]).to_string()),
        ("dead letters", count(&status["dead_letters"]).to_string()),
    ]
}

/// How far the stream has come: sinks, event time, checkpoints.
fn stream(status: &Value) -> Vec<(&'static str, String)> {
    let list = |name: &str| status[name].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sinks = list("sinks");
    let sinks = sinks.map(|sink| format!("{} {}", count(&sink["lag"]), text(&sink["sink"])));
    let delays = list("stages").filter_map(|stage| {
        let delay_s = stage["watermark_delay_s"].as_f64()?;
        Some(format!("{} {delay_s:.1} s", text(&stage["stage"])))
    });
    let (sinks, delays): (Vec<_>, Vec<_>) = (sinks.collect(), delays.collect());
    let or_dash = |parts: Vec<String>| match parts.is_empty() {
        true => "–".to_owned(),
        false => parts.join(", "),
    };
    let windows = format!(
        "{} open, {} events came late",
        count(&status["open_windows"]),
        count(&status["late_events"])
    );
    vec![
        ("sinks wait for", or_dash(sinks)),
        (
            "event time",
            format!("behind the clock: {}", or_dash(delays)),
        ),
        ("windows", windows),
        ("retries", count(&status["retries"]).to_string()),
        ("checkpoint", checkpoint(&status["checkpoints"])),
    ]
}

fn checkpoint(known: &Value) -> String {
    if known.is_null() {
        return "none are taken by this process".to_owned();
    }
    let failures = match count(&known["failures"]) {
        0 => String::new(),
        failures => format!(", {failures} failed"),
    };
    match known["newest"].as_str() {
        None => format!("none yet{failures}"),
        Some(newest) => {
            let (age_s, took_ms) = (count(&known["age_s"]), count(&known["duration_ms"]));
            format!("{newest}, {age_s} s old, the last one took {took_ms} ms{failures}")
        }
    }
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
