//! The demo, end to end: the real sample goes through one process, and every event is accounted
//! for.

use crate::{cargo, checks};
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::path::Path;
use std::process::{Command, Stdio};

/// Events of `data/rees46/events.csv.gz`.
const SAMPLE_EVENT_COUNT: u64 = 17_434;

/// What `vitrina demo --exit --json` prints; only what we judge.
#[derive(Debug, Deserialize)]
struct Report {
    events: EventCounts,
}

/// Where the events of the sample went.
#[derive(Debug, Deserialize)]
struct EventCounts {
    read: u64,
    applied: u64,
    duplicate: u64,
    rejected: u64,
}

/// Runs the demo at full speed over an empty data directory and judges its report.
pub(crate) fn run(root: &Path) -> Result<()> {
    let data_dir = tempfile::tempdir()?;
    let mut command = Command::new(checks::binary(root)?);
    command
        .args(["demo", "--speed", "max", "--exit", "--json", "--data-dir"])
        .arg(data_dir.path())
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    println!("$ {}", cargo::describe(&command));
    let done = command.output().context("could not start the demo")?;
    ensure!(done.status.success(), "the demo failed: {}", done.status);
    let text = String::from_utf8_lossy(&done.stdout);
    println!("{}", text.trim());
    judge(&text)
}

fn judge(text: &str) -> Result<()> {
    let report: Report =
        serde_json::from_str(text).context("the demo's report is not as agreed")?;
    let EventCounts {
        read,
        applied,
        duplicate,
        rejected,
    } = report.events;
    ensure!(
        read == SAMPLE_EVENT_COUNT,
        "read {read} events, the sample has {SAMPLE_EVENT_COUNT}"
    );
    ensure!(rejected == 0, "rejected {rejected} events of the sample");
    ensure!(
        applied + duplicate + rejected == read,
        "{applied} applied + {duplicate} duplicate + {rejected} rejected are not {read} read"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn report_cases() {
        #[rustfmt::skip]
        let cases = [
            ("all applied",     17_434, 17_434, 0, 0, true),
            ("some duplicates", 17_434, 17_000, 434, 0, true),
            ("one not read",    17_433, 17_433, 0, 0, false),
            ("one lost",        17_434, 17_433, 0, 0, false),
            ("one twice",       17_434, 17_435, 0, 0, false),
            ("one rejected",    17_434, 17_433, 0, 1, false),
        ];
        for (name, read, applied, duplicate, rejected, want) in cases {
            let report = serde_json::json!({
                "events": {
                    "read": read, "applied": applied, "duplicate": duplicate, "rejected": rejected,
                },
                "more": true,
            });
            assert_eq!(judge(&report.to_string()).is_ok(), want, "{name}");
        }
        assert!(judge("").is_err(), "nothing printed");
    }
}
