//! `vitrina bench`: what this machine makes of the main job.
//!
//! Every figure has its budget beside it, written before it was measured (`docs/BENCHMARKS.md`).
//! The load generator is this process; the server under test is a child process of the same
//! binary, on loopback. Rates are measured closed-loop at saturation, latencies open-loop: at
//! fixed times, whether or not earlier answers have come (no coordinated omission).

mod answers;
mod catalogue;
mod cluster;
mod events;
mod figure;
mod footprint;
mod freshness;
mod import;
mod intake;
mod load;
mod made;
mod naive;
mod rows;
mod start;
mod subject;
mod topology;
mod wire;

use figure::{Figure, Machine};
use serde::Serialize;
use std::path::Path;

/// Why a benchmark gave no figure.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No benchmark of this name.
    #[error("no benchmark \"{name}\"; there are {}", names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The server under test could not be run.
    #[error("server under test: {0}")]
    Subject(String),
    /// Files or sockets of the generator.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// HTTP between generator and server.
    #[error("http: {0}")]
    Http(#[from] hyper::Error),
    /// The engine, where a benchmark runs it in this process.
    #[error(transparent)]
    Engine(#[from] vitrina_engine::EngineError),
}

/// What `vitrina bench --json` prints.
#[derive(Debug, Serialize)]
pub struct Report {
    machine: Machine,
    figures: Vec<Figure>,
}

impl Report {
    /// The report as a table for people.
    pub fn table(&self) -> String {
        figure::table(&self.machine, &self.figures)
    }
}

macro_rules! benches {
    ($($name:literal => $run:path),+ $(,)?) => {
        /// The benchmarks, in the order they run.
        pub fn names() -> Vec<&'static str> {
            vec![$($name),+]
        }

        async fn run_one(name: &str, scratch: &Path) -> Result<Vec<Figure>, BenchError> {
            match name {
                $($name => $run(scratch).await,)+
                _ => Err(BenchError::Unknown { name: name.to_owned() }),
            }
        }
    };
}

/// The one that is left out where no services are named.
const CLUSTER: &str = "cluster";

benches! {
    "footprint" => footprint::run,
    "import" => import::run,
    "rows" => rows::run,
    "topology" => topology::run,
    "intake" => intake::run,
    "freshness" => freshness::run,
    "answers" => answers::run,
    "start" => start::run,
    "cluster" => cluster::run,
}

/// Writes `count` made events to two files in `directory`, by half of the users: what
/// `bench/flink/README.md` compares systems on.
///
/// # Errors
/// The files'.
pub fn write_events(count: u64, directory: &Path) -> Result<(), BenchError> {
    made::Shop::COMPARED.write(count, 2, directory).map(drop)
}

/// Runs the benchmarks called `wanted`, all of them when it is empty. `scratch` is an empty
/// directory for their data; `progress` is told what runs.
///
/// # Errors
/// [`BenchError`] of the first benchmark that gives no figure.
pub async fn run(
    wanted: &[String],
    scratch: &Path,
    progress: &dyn Fn(&str),
) -> Result<Report, BenchError> {
    for name in wanted {
        if !names().contains(&name.as_str()) {
            return Err(BenchError::Unknown { name: name.clone() });
        }
    }
    let mut figures = Vec::new();
    for name in names() {
        let is_asked = wanted.iter().any(|asked| asked == name);
        // It needs services of somebody's own.
        let goes_along = name != CLUSTER || cluster::is_possible();
        if is_asked || (wanted.is_empty() && goes_along) {
            progress(name);
            let place = scratch.join(name);
            std::fs::create_dir_all(&place)?;
            figures.extend(run_one(name, &place).await?);
            std::fs::remove_dir_all(&place)?;
        }
    }
    Ok(Report {
        machine: Machine::here(),
        figures,
    })
}
