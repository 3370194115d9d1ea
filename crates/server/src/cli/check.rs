//! What `vitrina doctor` looks at on the machine: disk, limits, clock.

use crate::config::Settings;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, and may not for long.
    Warn,
    /// It does not work.
    Fail,
}

impl Level {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Finding {
    /// What was looked at.
    pub(crate) check: &'static str,
    /// How bad it is.
    pub(crate) level: Level,
    /// What was found.
    pub(crate) found: String,
    /// What to do; empty when nothing.
    pub(crate) advice: String,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Level::Ok, found, "")
    }

    pub(crate) fn warn(check: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Warn, found, advice)
    }

    pub(crate) fn fail(check: &'static str, found: impl Into<String>, advice: &str) -> Self {
        Self::new(check, Level::Fail, found, advice)
    }

    fn new(check: &'static str, level: Level, found: impl Into<String>, advice: &str) -> Self {
        Self {
            check,
            level,
            found: found.into(),
            advice: advice.to_owned(),
        }
    }
}

/// Syncs measured.
const SYNCS: usize = 20;
/// A sync that takes longer makes every acknowledgement slow.
const SYNC_SLOW: Duration = Duration::from_millis(20);
/// A sync that takes less has not reached a disk that keeps its word.
const SYNC_UNREAL: Duration = Duration::from_micros(20);
/// Files a server may want open: connections, segments, tables.
const OPEN_FILES_MIN: u64 = 4_096;
/// No clock that shows less is right: this release was not there yet.
const NOT_BEFORE_S: u64 = 1_735_689_600;

/// The nearest directory that exists, going up from `dir`.
fn existing(dir: &Path) -> PathBuf {
    let up = dir
        .ancestors()
        .find(|dir| dir.is_dir() && !dir.as_os_str().is_empty());
    up.unwrap_or(Path::new(".")).to_owned()
}

/// Whether we may write where the data is, and how long the disk takes to keep it.
pub(crate) fn disk(settings: &Settings) -> Vec<Finding> {
    let dir = existing(&settings.data_dir);
    let path = dir.join(format!(".vitrina-doctor-{}", std::process::id()));
    let measured = measure_sync(&path);
    // Nothing to say where it was never made.
    let _ = std::fs::remove_file(&path);
    let place = format!("{}", dir.display());
    let mut findings = match measured {
        Ok(median) => vec![
            Finding::ok("data directory", format!("{place} is writable")),
            sync(median),
        ],
        Err(error) => vec![Finding::fail(
            "data directory",
            format!("{place}: {error}"),
            "let this user write there, or name another place with --data-dir",
        )],
    };
    findings.push(space(&dir, settings.disk_reserve_bytes));
    findings
}

fn measure_sync(path: &Path) -> std::io::Result<Duration> {
    let mut file = std::fs::File::create_new(path)?;
    let mut took = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        file.write_all(&[0; 4_096])?;
        let began = Instant::now();
        file.sync_data()?;
        took.push(began.elapsed());
    }
    took.sort();
    Ok(took[took.len() / 2])
}

fn sync(median: Duration) -> Finding {
    let found = format!(
        "{:.2} ms to make 4 KiB durable",
        median.as_secs_f64() * 1_000.0
    );
    if median > SYNC_SLOW {
        let advice = "every acknowledgement waits this long; use a local SSD";
        return Finding::warn("fsync", found, advice);
    }
    if median < SYNC_UNREAL {
        let advice = "this is no disk that keeps what it has (memory, or a cache without battery): \
                      a power cut can lose acknowledged events";
        return Finding::warn("fsync", found, advice);
    }
    Finding::ok("fsync", found)
}

fn space(dir: &Path, reserve_bytes: u64) -> Finding {
    let free = match rustix::fs::statvfs(dir) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return Finding::fail("disk space", error.to_string(), "check the disk"),
    };
    let mebi = |bytes: u64| bytes / 1_048_576;
    let found = format!(
        "{} MiB free, {} MiB in reserve",
        mebi(free),
        mebi(reserve_bytes)
    );
    if free <= reserve_bytes {
        let advice =
            "intake answers 507 until there is room: free some, or lower disk_reserve_bytes";
        return Finding::fail("disk space", found, advice);
    }
    if free < reserve_bytes.saturating_mul(4) {
        return Finding::warn("disk space", found, "make room, or set retention_bytes");
    }
    Finding::ok("disk space", found)
}

/// How many files a process may open.
pub(crate) fn open_files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => Finding::warn(
            "open files",
            format!("at most {limit}"),
            "raise the limit to 4096 or more: ulimit -n, or LimitNOFILE= in a systemd unit",
        ),
        Some(limit) => Finding::ok("open files", format!("at most {limit}")),
        None => Finding::ok("open files", "unlimited"),
    }
}

/// Whether the clock can be right, and not behind what was written here.
pub(crate) fn clock(data_dir: &Path) -> Finding {
    let now = SystemTime::now();
    let seconds = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let advice = "set the clock (timedatectl set-ntp true): event times are judged by it";
    if seconds < NOT_BEFORE_S {
        return Finding::fail("clock", format!("{seconds} s since 1970"), advice);
    }
    let newest = std::fs::metadata(data_dir.join("log")).and_then(|log| log.modified());
    let ahead = newest
        .ok()
        .and_then(|newest| newest.duration_since(now).ok());
    match ahead {
        Some(ahead) if ahead > Duration::from_secs(60) => Finding::warn(
            "clock",
            format!("{} s behind the newest file of the log", ahead.as_secs()),
            advice,
        ),
        _ => Finding::ok("clock", crate::service::wall_clock()().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sync_levels() {
        #[rustfmt::skip]
        let cases = [
            ("memory", Duration::from_micros(2),   Level::Warn),
            ("ssd",    Duration::from_micros(900), Level::Ok),
            ("slow",   Duration::from_millis(40),  Level::Warn),
        ];
        for (name, median, want) in cases {
            assert_eq!(sync(median).level, want, "{name}");
        }
    }

    #[test]
    fn a_machine_that_runs_tests_passes() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            data_dir: dir.path().join("not/there/yet"),
            disk_reserve_bytes: 1,
            ..Settings::default()
        };
        let findings = disk(&settings);
        assert_eq!(findings.len(), 3);
        assert!(
            findings.iter().all(|f| f.level < Level::Fail),
            "{findings:?}"
        );
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(clock(dir.path()).level, Level::Ok);
    }
}
