//! Size of the binary and memory of an idle server.

use super::BenchError;
use super::figure::{Figure, Good};
use super::subject::Subject;
use std::path::Path;
use std::time::Duration;

/// Binary: 40 MB stripped. Idle memory: 80 MB.
const BINARY_MB_MAX: f64 = 40.0;
const IDLE_MB_MAX: f64 = 80.0;
/// A server is idle when it was left alone this long.
const IDLE: Duration = Duration::from_secs(5);

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let binary = std::fs::metadata(std::env::current_exe()?)?.len() as f64 / 1e6;
    let subject = Subject::start(&scratch.join("data")).await?;
    tokio::time::sleep(IDLE).await;
    let (now, _) = subject.memory()?;
    let ready_ms = subject.ready.as_secs_f64() * 1e3;
    subject.stop()?;
    Ok(vec![
        Figure::new("binary", binary, "MB", Good::AtMost, BINARY_MB_MAX)
            .note("as it runs; stripped when built with --profile dist"),
        Figure::new(
            "idle memory",
            now as f64 / 1e6,
            "MB",
            Good::AtMost,
            IDLE_MB_MAX,
        )
        .note("empty data directory"),
        Figure::new("start to ready, empty", ready_ms, "ms", Good::AtMost, 300.0),
    ])
}
