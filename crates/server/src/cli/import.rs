//! `vitrina import`: a file of events or products into the engine.

use super::bar::Bar;
use super::failure::Failure;
use super::shell::Shell;
use crate::door::Need;
use crate::import::run::{event_format, product_format};
use crate::import::{
    EventFormat, ImportError, Input, ProductFormat, Report, Target, import_events, import_products,
};
use crate::service::wall_clock;
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often the bar moves.
const MOVE_EVERY: Duration = Duration::from_millis(200);

/// Arguments of `vitrina import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What visitors did: old events, never late; goes on where it stopped
    Events {
        /// CSV or one JSON object per line; gzip and Zstandard are recognised
        file: PathBuf,
        /// How to read it [default: as it looks]
        #[arg(long, value_enum)]
        format: Option<EventFormat>,
    },
    /// What the shop sells
    Products {
        /// CSV or one JSON object per line; gzip and Zstandard are recognised
        file: PathBuf,
        /// How to read it [default: as it looks]
        #[arg(long, value_enum)]
        format: Option<ProductFormat>,
    },
}

impl What {
    fn file(&self) -> &Path {
        match self {
            Self::Events { file, .. } | Self::Products { file, .. } => file,
        }
    }
}

pub(crate) async fn run(shell: &Shell, args: &ImportArgs) -> Result<(), Failure> {
    let path = args.what.file().to_owned();
    let file = path.display().to_string();
    let opening = path.clone();
    let opened = tokio::task::spawn_blocking(move || Input::open(&opening)).await;
    let opened = opened.map_err(|_| ImportError::Reader)?;
    let mut input = opened.map_err(|source| ImportError::File {
        file: file.clone(),
        source,
    })?;
    // A file that cannot be read must not begin a data directory.
    let what = named(&args.what, &mut input, &file)?;
    let need = match what {
        Format::Events(_) => Need::Stream,
        // A product is taken in when answers see it.
        Format::Products(_) => Need::Any,
    };
    let door = shell.door(need).await?;
    let done = load(&Target::from(&door), what, input, &file).await;
    let closed = door.close().await;
    let report = done?;
    closed?;
    shell.out.show(&report, || report.to_string())?;
    match &report.broken {
        None => Ok(()),
        Some(_) => Err(Failure::new("the file could not be read to its end").hint(
            "what was read is taken in. A whole copy counts as another file: its first rows would \
                 count twice, unless they carry event_id; cut them off before importing it",
        )),
    }
}

/// The format of what is to be loaded.
enum Format {
    Events(EventFormat),
    Products(ProductFormat),
}

fn named(what: &What, input: &mut Input, file: &str) -> Result<Format, ImportError> {
    Ok(match what {
        What::Events { format, .. } => Format::Events(event_format(input, *format, file)?),
        What::Products { format, .. } => Format::Products(product_format(input, *format, file)?),
    })
}

async fn load(
    target: &Target,
    what: Format,
    input: Input,
    file: &str,
) -> Result<Report, ImportError> {
    let (bytes, progress) = (input.bytes, input.progress.clone());
    let bar = std::sync::Arc::new(Bar::over_bytes("importing", bytes));
    let moving = std::sync::Arc::clone(&bar);
    let mover = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(MOVE_EVERY);
        loop {
            ticks.tick().await;
            moving.at(progress.bytes().min(bytes));
        }
    });
    let told = |rows: u64| bar.say(format!("{rows} rows"));
    let done = match what {
        Format::Events(format) => import_events(target, input, format, file, &told).await,
        Format::Products(format) => {
            let now = wall_clock()().as_event_time();
            import_products(target, input, format, file, now, &told).await
        }
    };
    mover.abort();
    bar.clear();
    done
}
