//! `vitrina demo`: everything in one process, with something to look at.

use super::bar::Bar;
use super::failure::Failure;
use super::out::note;
use super::serve::{bind, shut_down};
use super::shell::Shell;
use crate::config::{Flags, Settings};
use crate::demo::{Asker, DemoError, Replay, Sample, Speed, Summary, summary};
use crate::service::Service;
use crate::serving::{Serving, signal};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrina_engine::{Engine, Status, Visitor};
use vitrina_ports::catalogue::Expect;
use vitrina_types::product::Product;

/// Where the demo keeps its data when nothing is said.
const DATA_DIR: &str = "vitrina-demo";
/// Products in one write.
const PRODUCTS_BATCH: usize = 1_000;
/// Visitors asked for at the end.
const ASKED: usize = 500;
/// How often the figures are shown.
const FIGURES_EVERY: Duration = Duration::from_secs(1);

/// Arguments of `vitrina demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How fast: 1 is about 150 events a second; max is as fast as this machine takes them
    #[arg(
        long,
        value_name = "N|max",
        default_value = "1",
        allow_negative_numbers = true
    )]
    speed: Speed,
    /// Play the sample once, print what it came to, and end
    #[arg(long)]
    exit: bool,
    /// Address to serve on [default: 127.0.0.1:8000; with --exit any free port]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(crate) async fn run(shell: &Shell, args: &DemoArgs) -> Result<(), Failure> {
    let settings = settings(shell, args)?;
    super::logging::start(&settings)?;
    let told = signal()?;
    let listener = bind(settings.listen).await?;
    let mut service = Service::open(&settings, Vec::new(), vitrina_engine::Roles::all()).await?;
    let connections_max = settings.limits.connections_max;
    let serving =
        Serving::start(&mut service, listener, &settings.data_dir, connections_max).await?;
    let engine = Arc::clone(&service.engine);
    let played = tokio::select! {
        played = play(&engine, args, &serving.url) => played.map(Some),
        _ = told => Ok(None),
    };
    note("shutting down");
    let deadline = Duration::from_millis(settings.shutdown_deadline_ms);
    let closed = shut_down(service, serving, deadline).await;
    let summary = played.map_err(|error| Failure::new(error.to_string()))?;
    closed?;
    let Some(summary) = summary else {
        return Ok(());
    };
    shell.out.show(&summary, || summary.to_string())?;
    if summary.adds_up() {
        return Ok(());
    }
    Err(Failure::new(
        "the numbers do not add up: an event was lost or counted twice, or a visitor got no answer",
    ))
}

fn settings(shell: &Shell, args: &DemoArgs) -> Result<Settings, Failure> {
    let listen = match args.listen {
        Some(listen) => Some(listen),
        None if args.exit => Some(SocketAddr::from(([127, 0, 0, 1], 0))),
        None => None,
    };
    let flags = Flags::default().set("listen", listen.map(|listen| listen.to_string()));
    let mut settings = shell.load(flags)?.settings;
    // Never the directory of a real shop, unless it is named.
    let data_dir = shell.common.data_dir.clone();
    settings.data_dir = data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR));
    if !settings.listen.ip().is_loopback() && settings.api_keys.is_empty() && !settings.insecure {
        return Err(
            Failure::wrong_use("the demo serves other machines only with an API key")
                .hint("set api_keys, or insecure = true"),
        );
    }
    // The figures are the news here.
    if settings.log_filter == Settings::default().log_filter {
        settings.log_filter = "warn".to_owned();
    }
    Ok(settings)
}

/// Loads, replays and shows figures; resolves when the sample was played once with `--exit`.
async fn play(engine: &Arc<Engine>, args: &DemoArgs, url: &str) -> Result<Summary, DemoError> {
    let sample = Arc::new(Sample::read(engine.now().as_event_time())?);
    let visitors = sample.visitors();
    let began = Instant::now();
    let loaded = load(engine, &sample.products).await?;
    let load_took = if loaded {
        began.elapsed()
    } else {
        Duration::ZERO
    };
    note(&format!("console    {url}/"));
    note(&format!("API        {url}/docs"));
    let before = summary::applied(engine, &visitors).await?;
    let duplicates_before = engine.status().duplicates;
    let asker = Arc::new(Asker::new(Arc::clone(engine)));
    let mut replay = Replay::new(Arc::clone(engine), Arc::clone(&sample), Arc::clone(&asker));
    let began = Instant::now();
    let bar = Bar::over_count("replaying", sample.events.len() as u64);
    let beside = async { tokio::join!(asker.run(), figures(engine, &bar, url)) };
    let rounds = rounds(&mut replay, args, &bar);
    tokio::select! {
        played = rounds => played?,
        _ = beside => {}
    }
    bar.clear();
    let replay_took = began.elapsed();
    engine.settled().await;
    let settle_took = began.elapsed().saturating_sub(replay_took);
    let applied = summary::applied(engine, &visitors)
        .await?
        .saturating_sub(before);
    let answers = asker.ask_all(some_of(visitors)).await?;
    let counts = (engine.count_visitors().await?, engine.status().products);
    let took = (load_took, replay_took, settle_took);
    let mut summary = Summary::new(replay.sent, applied, counts, answers, took);
    summary.events.duplicate = engine.status().duplicates.saturating_sub(duplicates_before);
    Ok(summary)
}

/// Plays the sample: once with `--exit`, else for ever. Only the first round goes at full speed;
/// after it there is a state to look at, and no reason to wear out the disk.
async fn rounds(replay: &mut Replay, args: &DemoArgs, bar: &Bar) -> Result<(), DemoError> {
    let told = |sent: u64| bar.at(sent);
    let mut round = 0;
    loop {
        let speed = match args.speed {
            Speed::Max if round > 0 => Speed::Times(1.0),
            speed => speed,
        };
        replay.round(round, speed, &told).await?;
        if args.exit {
            return Ok(());
        }
        round += 1;
    }
}

/// Visitors spread evenly over all of them.
fn some_of(visitors: Vec<Visitor>) -> Vec<Visitor> {
    let step = (visitors.len() / ASKED).max(1);
    visitors.into_iter().step_by(step).take(ASKED).collect()
}

/// Loads the catalogue, unless it is there; answers whether it had to be loaded.
async fn load(engine: &Engine, products: &[Product]) -> Result<bool, DemoError> {
    // They are written in order: with the last one all are there.
    if let Some(last) = products.last()
        && engine.product(&last.product_id).await?.is_some()
    {
        return Ok(false);
    }
    let bar = Bar::over_count("loading products", products.len() as u64);
    let mut done = 0;
    for part in products.chunks(PRODUCTS_BATCH) {
        let batch = part
            .iter()
            .map(|product| (product.clone(), Expect::Any))
            .collect();
        engine.put_products(batch, false).await?;
        done += part.len() as u64;
        bar.at(done);
    }
    engine.settled().await;
    Ok(true)
}

/// Shows live figures: beside the bar on a terminal, else as lines.
async fn figures(engine: &Engine, bar: &Bar, url: &str) {
    let mut ticks = tokio::time::interval(FIGURES_EVERY);
    ticks.tick().await;
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    loop {
        ticks.tick().await;
        let text = shown(&engine.status(), url);
        if is_terminal {
            bar.say(text);
        } else {
            note(&text);
        }
    }
}

fn shown(status: &Status, url: &str) -> String {
    let ms = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| format!("{ms:.1}"));
    let freshness = &status.freshness;
    format!(
        "{:.0} events/s · fresh in p50 {} p95 {} ms · {:.0} answers/s · {url}/",
        status.events_per_second,
        ms(freshness.p50_ms),
        ms(freshness.p95_ms),
        status.answers_per_second
    )
}
