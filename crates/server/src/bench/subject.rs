//! The server under test: a child process of this binary.

use super::BenchError;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for the server to be ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How often the address file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A running server.
pub(super) struct Subject {
    child: Child,
    /// `127.0.0.1:port`.
    pub(super) host: String,
    /// From the start of the process until it was ready.
    pub(super) ready: Duration,
}

impl Subject {
    /// Starts `vitrina serve` on `directory` and waits until it is ready.
    pub(super) async fn start(directory: &Path) -> Result<Self, BenchError> {
        Self::start_as(directory, &[], &[]).await
    }

    /// The same with these arguments and environment variables.
    pub(super) async fn start_as(
        directory: &Path,
        args: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, BenchError> {
        let address: PathBuf = directory.with_extension("address");
        drop(std::fs::remove_file(&address));
        let began = Instant::now();
        let child = Command::new(std::env::current_exe()?)
            .arg("serve")
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .arg("--addr-file")
            .arg(&address)
            .args(args)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut subject = Self {
            child,
            host: String::new(),
            ready: Duration::ZERO,
        };
        while began.elapsed() < READY_MAX {
            if let Ok(url) = std::fs::read_to_string(&address)
                && let Some(host) = url.trim().strip_prefix("http://")
            {
                subject.ready = began.elapsed();
                subject.host = host.to_owned();
                return Ok(subject);
            }
            if let Some(status) = subject.child.try_wait()? {
                return Err(BenchError::Subject(format!("ended with {status}")));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(BenchError::Subject("was not ready in a minute".to_owned()))
    }

    /// Resident memory now and at its peak, in bytes.
    pub(super) fn memory(&self) -> Result<(u64, u64), BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
            kib.unwrap_or_default() * 1_024
        };
        Ok((field("VmRSS:"), field("VmHWM:")))
    }

    /// CPU time it has used so far, of its own and of the kernel for it.
    ///
    /// Clock ticks are a hundredth of a second on every Linux.
    pub(super) fn cpu(&self) -> Result<Duration, BenchError> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in brackets, may hold spaces. Fields 14 and 15, of which the state is 3.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Stops it as an operator would and waits for its end.
    pub(super) fn stop(mut self) -> Result<(), BenchError> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(std::io::Error::from)?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(BenchError::Subject(format!("ended with {status}")))
        }
    }

    /// Kills it without warning.
    pub(super) fn kill(mut self) -> Result<(), BenchError> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // Already gone after `stop` or `kill`: both errors then say so and are of no interest.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
