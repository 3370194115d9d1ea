//! The OpenAPI document against the running server, judged by Schemathesis.
//!
//! What is generated and checked is written in `xtask/schemathesis.toml`; this file brings up
//! the tool and the server, and looks for panics that a `500` would hide.

use crate::{cargo, checks};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// From start to bound socket, on an empty data directory and a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

/// Between two looks for the address.
const POLL: Duration = Duration::from_millis(20);

/// Runs Schemathesis against a fresh server.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tool = install(root)?;
    let scratch = tempfile::tempdir()?;
    let mut server = Server::start(&checks::binary(root)?, scratch.path())?;
    let tested = cargo::run(
        Command::new(tool)
            // Its caches and reports are not ours to keep.
            .current_dir(scratch.path())
            .arg("--config-file")
            .arg(root.join("xtask/schemathesis.toml"))
            .args(["--no-color", "run"])
            .arg(format!("{}/openapi.json", server.address)),
    );
    let still_runs = server.process.try_wait()?.is_none();
    let log = server.stop()?;
    if tested.is_err() || !still_runs {
        eprintln!("--- end of the server's log ---\n{}", tail(&log, 50));
    }
    judge(tested, still_runs, &log)
}

fn judge(tested: Result<()>, still_runs: bool, log: &str) -> Result<()> {
    let mut panics = log.lines().filter(|line| line.contains("panicked"));
    if let Some(first) = panics.next() {
        bail!(
            "the server panicked {} times, first: {first}",
            1 + panics.count()
        );
    }
    ensure!(still_runs, "the server ended during the test");
    tested
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The tool, in a virtual environment of its own; installed when the pins have changed.
fn install(root: &Path) -> Result<PathBuf> {
    let pins = root.join("xtask/requirements.txt");
    let wanted = std::fs::read_to_string(&pins)?;
    let venv = cargo::members(root)?
        .target_directory
        .join("schemathesis-venv");
    let installed = venv.join("installed.txt");
    let tool = venv.join("bin/schemathesis");
    if std::fs::read_to_string(&installed).is_ok_and(|have| have == wanted) {
        return Ok(tool);
    }
    cargo::run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&venv),
    )?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    cargo::run(pip.arg(&pins))?;
    // Written last: an interrupted installation is not mistaken for a whole one.
    std::fs::write(&installed, wanted)?;
    Ok(tool)
}

/// A running server, killed when dropped.
struct Server {
    process: Child,
    /// `http://127.0.0.1:PORT`
    address: String,
    log: PathBuf,
}

impl Server {
    fn start(binary: &Path, scratch: &Path) -> Result<Self> {
        let log = scratch.join("server.log");
        let address_file = scratch.join("address");
        let output = File::create(&log)?;
        let mut command = Command::new(binary);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(scratch.join("server"))
            .arg("--addr-file")
            .arg(&address_file)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        println!("$ {}", cargo::describe(&command));
        let process = command
            .spawn()
            .with_context(|| format!("could not start {}", binary.display()))?;
        let mut server = Self {
            process,
            address: String::new(),
            log,
        };
        server.address = server.wait_for(&address_file)?;
        Ok(server)
    }

    /// The address that the server writes once it is ready.
    fn wait_for(&mut self, address_file: &Path) -> Result<String> {
        let deadline = Instant::now() + START_MAX;
        while Instant::now() < deadline {
            // There and empty: it is just being written.
            if let Ok(text) = std::fs::read_to_string(address_file)
                && text.starts_with("http://")
            {
                return Ok(text.trim().to_owned());
            }
            if let Some(status) = self.process.try_wait()? {
                let log = std::fs::read_to_string(&self.log)?;
                bail!("the server did not start: {status}\n{}", tail(&log, 50));
            }
            std::thread::sleep(POLL);
        }
        let log = std::fs::read_to_string(&self.log)?;
        bail!(
            "the server was not ready after {START_MAX:?}\n{}",
            tail(&log, 50)
        );
    }

    /// Ends the server and gives its log.
    fn stop(mut self) -> Result<String> {
        self.kill();
        let bytes = std::fs::read(&self.log)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn kill(&mut self) {
        // Both fail only when the process has ended already, which is what is wanted.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judgement_cases() {
        let panicked = "thread 'main' panicked at src/main.rs:1:1";
        #[rustfmt::skip]
        let cases = [
            ("all well",                  true,  true,  "listening", true),
            ("the tool found something",  false, true,  "listening", false),
            ("the server ended",          true,  false, "listening", false),
            ("a panic became a 500",      true,  true,  panicked,    false),
        ];
        for (name, passed, still_runs, log, want) in cases {
            let tested = if passed { Ok(()) } else { bail_out() };
            assert_eq!(judge(tested, still_runs, log).is_ok(), want, "{name}");
        }
    }

    fn bail_out() -> Result<()> {
        bail!("found")
    }

    #[test]
    fn a_server_that_ends_at_once_is_reported_with_its_log() {
        let scratch = tempfile::tempdir().unwrap();
        let echo = Path::new("/bin/echo");
        let error = Server::start(echo, scratch.path()).err().unwrap();
        let text = error.to_string();
        assert!(text.contains("did not start"), "{text}");
        assert!(text.contains("--listen 127.0.0.1:0"), "{text}");
    }
}
