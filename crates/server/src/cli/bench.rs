//! `vitrina bench`: what this machine makes of the main job.

use super::failure::Failure;
use super::out::note;
use super::shell::Shell;
use clap::Args;
use std::path::Path;

/// Arguments of `vitrina bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Benchmarks to run [default: all]; or `events N DIR`: write N made events to two files
    pub names: Vec<String>,
}

pub(crate) async fn run(shell: &Shell, args: &BenchArgs) -> Result<(), Failure> {
    super::logging::quiet();
    if let Some(("events", rest)) = args
        .names
        .split_first()
        .map(|(first, rest)| (&**first, rest))
    {
        return write_events(rest);
    }
    let name = format!("vitrina-bench-{}", std::process::id());
    // Beside the data, not in /tmp: that is memory on many machines, and fsync costs nothing there.
    let scratch = shell.settings()?.data_dir.with_file_name(name);
    std::fs::create_dir_all(&scratch)?;
    let scratch = scratch.canonicalize()?;
    let report = crate::bench::run(&args.names, &scratch, &|name| note(&format!("{name} …"))).await;
    let removed = std::fs::remove_dir_all(&scratch);
    let report = report.map_err(|error| match error {
        crate::bench::BenchError::Unknown { .. } => Failure::wrong_use(error.to_string()),
        _ => Failure::new(error.to_string()),
    })?;
    if let Err(error) = removed {
        note(&format!(
            "{} could not be removed: {error}",
            scratch.display()
        ));
    }
    shell.out.show(&report, || report.table())
}

fn write_events(words: &[String]) -> Result<(), Failure> {
    let [count, directory] = words else {
        return Err(Failure::wrong_use("it is `vitrina bench events N DIR`"));
    };
    let count = count.replace('_', "").parse();
    let count: u64 = count.map_err(|_| Failure::wrong_use("the number of events is a number"))?;
    let written = crate::bench::write_events(count, Path::new(directory));
    written.map_err(|error| Failure::new(error.to_string()))
}
