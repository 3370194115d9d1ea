//! Window rows of files: opens the stores, lays the files over their log, runs the engine's job,
//! writes the rows.

mod output;

pub use output::RowsOutput;

use crate::config::Settings;
use crate::ports::{OpenError, Stores};
use crate::service::wall_clock;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vitrina_engine::Ports;
use vitrina_engine::lines::{LineValue, LinesJob, RowsReport, rows_of_files};
use vitrina_files::{FileKind, FileLog};
use vitrina_types::topic::Topic;
use xxhash_rust::xxh3::Xxh3;

/// A kill takes at most so much work.
const COMMIT_INTERVAL: Duration = Duration::from_secs(1);

/// What a file is told from another by: its length, and so many bytes of its beginning and end.
const TOLD_BY_BYTES: usize = 64 * 1_024;

/// What rows to make.
#[derive(Debug, Clone)]
pub struct RowsJob {
    /// Files of JSON lines.
    pub files: Vec<PathBuf>,
    /// Length of a window, in ms, above 0.
    pub window_ms: i64,
    /// What is summed up.
    pub value: LineValue,
}

impl RowsJob {
    /// Tells the job from any other, wherever its files lie.
    fn name(&self) -> io::Result<String> {
        let mut hash = Xxh3::new();
        hash.update(format!("1 {} {:?}", self.window_ms, self.value).as_bytes());
        let mut piece = vec![0; TOLD_BY_BYTES];
        for path in &self.files {
            let file = File::open(path)?;
            let len = file.metadata()?.len();
            hash.update(&len.to_le_bytes());
            for at in [0, len.saturating_sub(TOLD_BY_BYTES as u64)] {
                let bytes = (len - at).min(TOLD_BY_BYTES as u64) as usize;
                file.read_exact_at(&mut piece[..bytes], at)?;
                hash.update(&piece[..bytes]);
            }
        }
        Ok(format!("{:032x}", hash.digest128()))
    }
}

/// Makes the rows in the data directory of `settings` and writes them to `output`. A job that was
/// stopped there goes on.
///
/// # Errors
/// [`OpenError`], with what to do.
pub async fn run(
    settings: &Settings,
    job: &RowsJob,
    output: &mut RowsOutput,
) -> Result<RowsReport, OpenError> {
    let csv = job
        .files
        .iter()
        .find(|path| FileKind::of(path) == FileKind::Csv);
    if let Some(path) = csv {
        let detail = "rows are made of JSON lines, not of CSV";
        return Err(directory(path, io::Error::other(detail)));
    }
    let name = job
        .name()
        .map_err(|error| directory(Path::new("files"), error))?;
    let opening = settings.clone();
    let stores = blocking(move || Stores::open(&opening)).await?;
    let ports = stores.ports();
    let files = FileLog::open(Topic::UserEvents, job.files.clone(), Arc::clone(&ports.log))?;
    let ports = Ports {
        log: Arc::new(files),
        ..ports
    };
    let lines = LinesJob {
        name,
        files: job.files.len() as u16,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        window_ms: job.window_ms,
        value: job.value,
        commit_interval: COMMIT_INTERVAL,
    };
    let done = rows_of_files(ports, &lines, wall_clock(), &mut |row| output.write(row)).await;
    let finished = output.finish();
    let closed = blocking(move || Ok(stores.close()?)).await;
    let report = done?;
    finished.map_err(|error| directory(Path::new("output"), error))?;
    closed?;
    Ok(report)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| directory(Path::new("."), io::Error::other(error)))?
}

fn directory(path: &Path, source: io::Error) -> OpenError {
    OpenError::Directory {
        dir: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run on what another one left answers the same; another window is another job.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_second_run_answers_the_same_and_another_job_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("events.jsonl");
        let line = |at: i64| {
            format!(
                "{{\"ts\":{at},\"type\":\"view\",\"product_id\":{},\"price\":0.1}}\n",
                at % 7 + 1
            )
        };
        let lines: String = (0..5_000)
            .map(|n| line(1_767_607_200_000 + n * 1_000))
            .collect();
        std::fs::write(&file, lines).unwrap();
        let settings = Settings {
            data_dir: place.path().join("data"),
            ..Settings::default()
        };
        let mut job = RowsJob {
            files: vec![file],
            window_ms: 600_000,
            value: LineValue::Price,
        };
        for again in 0..2 {
            let report = run(&settings, &job, &mut RowsOutput::none()).await.unwrap();
            // Nine windows, in each of which every product is seen.
            assert_eq!((report.events, report.rows), (5_000, 63), "run {again}");
            let sum: f64 = report.sums.values().map(|sum| sum.units()).sum();
            assert_eq!(sum, 500.0, "run {again}");
        }
        job.window_ms = 60_000;
        assert!(run(&settings, &job, &mut RowsOutput::none()).await.is_err());
    }
}
