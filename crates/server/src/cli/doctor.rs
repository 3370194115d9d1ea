//! `vitrina doctor`: what is wrong, and what to do.

use super::check::{self, Finding, Level};
use super::failure::Failure;
use super::shell::Shell;
use crate::client::Client;
use crate::config::Settings;
use crate::door::{ADDRESS_FILE, Address, running};
use crate::ports::{OpenError, Stores, has_data};
use serde_json::Value;

pub(crate) async fn run(shell: &Shell) -> Result<(), Failure> {
    super::logging::quiet();
    let settings = shell.settings()?;
    let looking = settings.clone();
    let machine = tokio::task::spawn_blocking(move || {
        let mut findings = check::disk(&looking);
        findings.push(check::open_files());
        findings.push(check::clock(&looking.data_dir));
        findings
    });
    let mut findings = machine
        .await
        .map_err(|error| Failure::new(error.to_string()))?;
    let key = shell.common.api_key.as_deref();
    match running(&settings.data_dir, key).await {
        Some(client) => findings.extend(server(&client).await),
        None => {
            findings.push(no_server(&settings));
            findings.extend(stores(settings).await?);
        }
    }
    shell.out.show(&findings, || as_text(&findings))?;
    match findings.iter().map(|finding| finding.level).max() {
        Some(Level::Fail) => Err(Failure::new("something does not work")),
        _ => Ok(()),
    }
}

fn as_text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for one in findings {
        lines.push(format!(
            "{:<5} {:<15} {}",
            one.level.word(),
            one.check,
            one.found
        ));
        if !one.advice.is_empty() {
            lines.push(format!("{:<21} → {}", "", one.advice));
        }
    }
    lines.join("\n")
}

/// What a running server says of itself.
async fn server(client: &Client) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(
        "server",
        format!("answers at {}", client.url()),
    )];
    let status = match client
        .get("/v1/status")
        .await
        .and_then(|reply| reply.json::<Value>())
    {
        Ok(status) => status,
        Err(error) => {
            let advice = "give an API key with --api-key to see more";
            findings.push(Finding::warn("state", error.to_string(), advice));
            return findings;
        }
    };
    let count = |value: &Value| value.as_u64().unwrap_or_default();
    let waiting = count(&status["lag"]["users"]) + count(&status["lag"]["products"]);
    let found = format!("{waiting} records wait to be processed");
    findings.push(if waiting > LAG_WARN {
        Finding::warn(
            "state",
            found,
            "more comes in than this machine processes; look at its CPU",
        )
    } else {
        Finding::ok("state", found)
    });
    let panics = count(&status["panics"]);
    if panics > 0 {
        let advice = "`vitrina dead-letters list` shows the records; please report them";
        findings.push(Finding::warn(
            "stream",
            format!("{panics} batches panicked"),
            advice,
        ));
    }
    findings.extend(repairs(
        status["storage"]["repairs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str),
    ));
    findings
}

/// Records waiting above which something is slow.
const LAG_WARN: u64 = 100_000;

fn repairs<'a>(repairs: impl Iterator<Item = &'a str>) -> Vec<Finding> {
    let advice = "nothing acknowledged is lost; if it comes back without a crash, check the disk";
    repairs
        .map(|repair| Finding::warn("repaired", repair, advice))
        .collect()
}

fn no_server(settings: &Settings) -> Finding {
    match Address::read(&settings.data_dir) {
        Some(address) => Finding::warn(
            "server",
            format!(
                "{ADDRESS_FILE} names {} (process {}), which does not answer",
                address.url, address.pid
            ),
            "it was killed or hangs; the next `vitrina serve` writes the file anew",
        ),
        None => Finding::ok("server", "none runs on this data directory"),
    }
}

/// Opens the stores and reads the whole log.
async fn stores(settings: Settings) -> Result<Vec<Finding>, Failure> {
    if !has_data(&settings.data_dir) {
        return Ok(vec![Finding::ok("stores", "no data yet")]);
    }
    let looked = tokio::task::spawn_blocking(move || {
        let stores = match Stores::open(&settings) {
            Ok(stores) => stores,
            Err(error) => {
                let advice = error
                    .advice()
                    .unwrap_or("restore the last backup, or report it");
                return vec![Finding::fail("stores", error.to_string(), advice)];
            }
        };
        let mut findings = repairs(stores.repairs().iter().map(String::as_str));
        findings.push(match stores.verify() {
            Ok(bytes) => Finding::ok("event log", format!("{bytes} bytes, all sums are right")),
            Err(error) => Finding::fail("event log", error.to_string(), "restore the last backup"),
        });
        findings.push(match stores.close().map_err(OpenError::from) {
            Ok(()) => Finding::ok("stores", "open and close"),
            Err(error) => Finding::fail("stores", error.to_string(), "check the disk"),
        });
        findings
    });
    looked
        .await
        .map_err(|error| Failure::new(error.to_string()))
}
