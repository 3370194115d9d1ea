//! Checkpoints of a running server, and a state that was lost.

use crate::support::{DEADLINE, Launcher, Server};
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

/// A server that takes a checkpoint every second.
fn often() -> Launcher {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Launcher {
        environment: vec![
            set("VITRINA_CHECKPOINT_INTERVAL_S", "1"),
            set("VITRINA_CHECKPOINT_PAUSE_S", "0"),
        ],
        ..Launcher::default()
    }
}

fn send(server: &Server, from: usize, to: usize) {
    for n in from..to {
        let event = format!(
            r#"{{"event_id":"e{n}","event_type":"view","user_id":"u{}","product_id":"p{n}"}}"#,
            n % 3
        );
        let taken = server.call("POST", "/v1/events", event.as_bytes());
        assert_eq!(taken.status, 202, "{}", taken.text());
    }
}

/// The newest checkpoint, once there is one after `before`.
fn newest_after(server: &Server, before: Option<&str>) -> String {
    let began = Instant::now();
    loop {
        let found = server.get("/v1/checkpoints");
        assert_eq!(
            found["damaged"].as_array().map(Vec::len),
            Some(0),
            "{found}"
        );
        if let Some(id) = found["checkpoints"][0]["id"].as_str()
            && before.is_none_or(|before| id > before)
        {
            return id.to_owned();
        }
        assert!(began.elapsed() < DEADLINE, "{found}\n{}", server.said());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn vitrina(directory: &Path, args: &[&str]) -> (Output, Value) {
    let directory = directory.to_str().unwrap();
    let output = often().run(&[args, &["--data-dir", directory, "--json"]].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, value)
}

#[test]
fn a_lost_state_comes_back_from_a_checkpoint_and_the_log_since() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Server::launch(&often(), &data, &[]);
    send(&server, 0, 30);
    let first = newest_after(&server, None);
    let id = newest_after(&server, Some(&first));
    let said = server.get("/v1/status");
    assert!(said["checkpoints"]["newest"].is_string(), "{said}");
    let metrics = server.call("GET", "/metrics", b"").text();
    for name in ["age_seconds ", "duration_seconds ", "failures_total 0"] {
        let name = format!("\nvitrina_checkpoint_{name}");
        assert!(metrics.contains(&name), "{name} in {metrics}");
    }
    // What came after the checkpoint is in the log.
    send(&server, 30, 40);
    server.kill();
    let (_, listed) = vitrina(&data, &["checkpoint", "list"]);
    let ids = listed["checkpoints"].as_array().unwrap();
    assert!(ids.iter().any(|one| one["id"] == id.as_str()), "{listed}");
    let (refused, said) = vitrina(&data, &["checkpoint", "restore", &id]);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    let state = data.join("state");
    std::fs::rename(&state, place.path().join("lost")).unwrap();
    let (restored, said) = vitrina(&data, &["checkpoint", "restore", &id]);
    let stderr = String::from_utf8_lossy(&restored.stderr).into_owned();
    assert!(restored.status.success(), "{said} {stderr}");
    assert_eq!(said["id"], id.as_str(), "{said}");
    assert!(said["pairs"].as_u64() > Some(0), "{said}");
    let verified = often().verify(&data);
    assert_eq!(verified["differences"], 0, "{verified}");
    let server = Server::launch(&often(), &data, &[]);
    let viewed = server.get("/v1/users/u0/recently-viewed");
    assert_eq!(viewed["items"][0]["product_id"], "p39", "{viewed}");
    server.stop();
}

#[test]
fn a_restore_needs_a_name_and_data() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let (wrong, _) = vitrina(&data, &["checkpoint", "restore", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    let id = "2026-03-01t12-00-00.000z";
    let (none, _) = vitrina(&data, &["checkpoint", "restore", id]);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_backup_holds_rows_follower_and_checkpoints() {
    let place = tempfile::tempdir().unwrap();
    let (data, to) = (place.path().join("data"), place.path().join("backup"));
    let server = Server::launch(&often(), &data, &[]);
    send(&server, 0, 3);
    newest_after(&server, None);
    server.stop();
    let (output, said) = vitrina(&data, &["backup", to.to_str().unwrap()]);
    assert!(output.status.success(), "{said}");
    for part in [
        "log",
        "state",
        "catalogue",
        "analytics",
        "follower/state",
        "snapshots/checkpoints",
    ] {
        assert!(to.join("data").join(part).is_dir(), "{part} in {said}");
    }
}
