//! Start to ready on a million events, after a clean stop and after a kill.

use super::BenchError;
use super::events;
use super::figure::{Figure, Good};
use super::import;
use super::load;
use super::subject::Subject;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;

/// 300 ms after a clean stop, 2 s after a kill.
const CLEAN_MS_MAX: f64 = 300.0;
const KILLED_MS_MAX: f64 = 2_000.0;
const ROWS: u64 = 1_000_000;
/// Load before the kill, so that there is something to replay.
const LOAD: Duration = Duration::from_secs(5);

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let (file, directory) = (scratch.join("events.csv"), scratch.join("data"));
    import::write_csv(&file, ROWS)?;
    import::import(&file, &directory)?;
    let subject = Subject::start(&directory).await?;
    let clean_ms = subject.ready.as_secs_f64() * 1e3;
    let (resident, _) = subject.memory()?;
    let sending = load::closed(&subject.host, 8, LOAD, |mut wire, number| async move {
        let mut body = String::new();
        for event in number * 100..(number + 1) * 100 {
            events::line(event, &mut body);
        }
        wire.events(Bytes::from(body)).await?;
        Ok(wire)
    });
    sending.await?;
    subject.kill()?;
    let subject = Subject::start(&directory).await?;
    let killed_ms = subject.ready.as_secs_f64() * 1e3;
    subject.stop()?;
    Ok(vec![
        Figure::new(
            "start to ready, 1 M events, clean",
            clean_ms,
            "ms",
            Good::AtMost,
            CLEAN_MS_MAX,
        )
        .note(format!("{:.0} MB resident", resident as f64 / 1e6)),
        Figure::new(
            "start to ready, 1 M events, killed",
            killed_ms,
            "ms",
            Good::AtMost,
            KILLED_MS_MAX,
        )
        .note("killed at saturated intake"),
    ])
}
