//! Processes of this machine that outlive us: started, recognised later, ended.
//!
//! A process is known by its id and its command line together. An id alone may belong to another
//! process by now, so nothing is ever signalled before `/proc` has said that it runs our command.

use super::wait;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// From its start until `/proc` shows its command line.
const SEEN_MAX: Duration = Duration::from_secs(10);

/// From the end of a process until its parent has taken note.
const GONE_MAX: Duration = Duration::from_secs(5);

/// From SIGKILL to its end; longer only where a disk hangs.
const KILL_MAX: Duration = Duration::from_secs(10);

/// A process we started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// Its command line, program first.
    pub(super) argv: Vec<String>,
}

/// An account to run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// Starts a process in `folder`; what it says is appended to `log`.
///
/// # Errors
/// When it cannot be started. One that ends a moment later is not an error here.
pub(super) fn start(
    argv: &[String],
    folder: &Path,
    log: &Path,
    account: Option<Account>,
) -> Result<Process> {
    let (program, arguments) = argv.split_first().context("nothing to start")?;
    let output = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("could not open {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Ctrl-C is for us, not for what should go on without us.
        .process_group(0);
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("could not start {program}"))?;
    let process = Process {
        pid: child.id(),
        argv: argv.to_vec(),
    };
    // For a moment after its start a process has no command line, and looks as if it had ended.
    let is_seen = wait::until(SEEN_MAX, || {
        process.runs() || !matches!(child.try_wait(), Ok(None))
    });
    if !is_seen {
        child.kill()?;
        bail!("{program} runs under another command line than it was given");
    }
    Ok(process)
}

impl Process {
    /// Whether it runs. One that ended and was not waited for has no command line any more.
    pub(super) fn runs(&self) -> bool {
        let Ok(text) = std::fs::read(format!("/proc/{}/cmdline", self.pid)) else {
            return false;
        };
        let text = String::from_utf8_lossy(&text);
        text.strip_suffix('\0')
            .is_some_and(|text| text.split('\0').eq(self.argv.iter().map(String::as_str)))
    }

    fn id(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }

    /// Waits for a process that ended to leave the table of processes: PostgreSQL takes its own
    /// predecessor for alive as long as its id is there. One that stays is left to its parent.
    pub(super) fn wait_gone(&self) {
        wait::until(GONE_MAX, || {
            if let Some(pid) = self.id() {
                // Where we are the parent it waits for us; where not, this changes nothing.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid));
            !status.is_ok_and(|text| is_zombie(&text))
        });
    }

    /// Sends a signal if it still is our process.
    fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.id() else {
            bail!("{} is no process id", self.pid);
        };
        if !self.runs() {
            return Ok(());
        }
        match kill_process(pid, signal) {
            // It ended between the look and the signal.
            Err(rustix::io::Errno::SRCH) => Ok(()),
            done => done.with_context(|| format!("could not signal process {}", self.pid)),
        }
    }
}

/// Whether a process has ended and was not waited for yet, by its `/proc/PID/status`.
fn is_zombie(status: &str) -> bool {
    let mut states = status
        .lines()
        .filter_map(|line| line.strip_prefix("State:"));
    states.any(|state| state.trim_start().starts_with('Z'))
}

/// Asks all to end.
///
/// # Errors
/// When we may not.
pub(super) fn ask_to_end(processes: &[Process], polite: Signal) -> Result<()> {
    processes
        .iter()
        .try_for_each(|process| process.signal(polite))
}

/// Waits for processes that were asked to end, and kills those that have not within `limit`.
///
/// # Errors
/// When a process survives.
pub(super) fn await_end(processes: &[Process], limit: Duration) -> Result<()> {
    let left = |limit| wait::until(limit, || !processes.iter().any(Process::runs));
    if left(limit) {
        return Ok(());
    }
    for process in processes {
        process.signal(Signal::KILL)?;
    }
    if left(KILL_MAX) {
        return Ok(());
    }
    let pids: Vec<String> = processes
        .iter()
        .filter(|process| process.runs())
        .map(|process| process.pid.to_string())
        .collect();
    bail!(
        "processes {} survived SIGKILL for {KILL_MAX:?}",
        pids.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(processes: &[Process], signal: Signal, limit: Duration) {
        ask_to_end(processes, signal).unwrap();
        await_end(processes, limit).unwrap();
    }

    fn sleeper(folder: &Path, script: &str) -> Process {
        let argv = ["sh", "-c", script].map(str::to_owned);
        start(&argv, folder, &folder.join("log"), None).unwrap()
    }

    #[test]
    fn a_process_is_ours_by_id_and_command_line() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(folder.path(), "while :; do sleep 1; done");
        assert!(process.runs());
        let stranger = Process {
            argv: vec!["sh".to_owned()],
            ..process.clone()
        };
        assert!(!stranger.runs(), "another command");
        let ours = Process {
            pid: std::process::id(),
            ..process.clone()
        };
        assert!(!ours.runs(), "another process");

        end(&[stranger, ours], Signal::KILL, Duration::ZERO);
        assert!(process.runs(), "neither was signalled");
        end(std::slice::from_ref(&process), Signal::TERM, KILL_MAX);
        assert!(!process.runs());
        end(&[process], Signal::TERM, Duration::ZERO);
    }

    #[test]
    fn who_does_not_listen_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let deaf = sleeper(
            folder.path(),
            "trap '' TERM; echo deaf; while :; do sleep 1; done",
        );
        let log = folder.path().join("log");
        let is_deaf = || std::fs::read_to_string(&log).is_ok_and(|text| text == "deaf\n");
        assert!(wait::until(KILL_MAX, is_deaf));
        end(std::slice::from_ref(&deaf), Signal::TERM, Duration::ZERO);
        assert!(!deaf.runs());
    }

    #[test]
    fn who_ends_by_itself_is_gone_and_its_words_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        for (script, want) in [
            ("echo first", "first\n"),
            ("echo second >&2", "first\nsecond\n"),
        ] {
            let process = sleeper(folder.path(), script);
            let said = || std::fs::read_to_string(&log).unwrap() == want && !process.runs();
            assert!(
                wait::until(KILL_MAX, said),
                "{:?}",
                std::fs::read_to_string(&log)
            );
        }
    }

    #[test]
    fn an_ended_process_is_a_zombie_until_it_is_waited_for() {
        let mut child = Command::new("true").spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let is_zombie = || is_zombie(&std::fs::read_to_string(&status).unwrap());
        assert!(wait::until(KILL_MAX, is_zombie));
        child.wait().unwrap();
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(!super::is_zombie(&own));
    }

    #[test]
    fn an_empty_command_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(start(&[], folder.path(), &folder.path().join("log"), None).is_err());
    }
}
