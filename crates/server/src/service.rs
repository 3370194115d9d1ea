//! One engine on its stores, with its faces: what `serve`, `demo` and a command on a data
//! directory of its own run.

use crate::config::Settings;
use crate::console::view::FactBlock;
use crate::console::{ConsoleApp, EngineSource, Ticker};
use crate::http::{ApiKey, App, HttpOptions, Scope};
use crate::ports::{self, Backing, OpenError};
use axum::Router;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vitrina_engine::{CheckpointOptions, Clock, Engine, EngineOptions, Roles};
use vitrina_types::time::IngestTime;

/// Threads of the stream at most: beyond it the one log is what they wait for.
const STREAM_THREADS_MAX: usize = 8;
/// Values that a stage of a worker writes to a shared store in a second, before what nobody waits for
/// takes its time: some 5 µs each there, so a tenth of a core for each worker.
const STATE_WRITES_PER_SECOND: u32 = 20_000;
/// Calls to a shared state store at the same time: what the tasks of a stage have read waits
/// meanwhile, 64 KiB to 256 KiB each.
const STATE_CALLS_TOGETHER: usize = 16;
/// Name of the file with the key under which network addresses are hashed.
const ADDRESS_KEY_FILE: &str = "address-key";

/// A running engine and its routes.
pub struct Service {
    /// The engine.
    pub engine: Arc<Engine>,
    /// All routes: the API and the console.
    pub router: Router,
    /// What feeds the console's live figures.
    pub ticker: Option<Ticker>,
    /// What the HTTP face shares.
    pub app: App,
    stores: Arc<dyn Backing>,
}

impl Service {
    /// Opens the stores and starts the engine, for others to see: the routes ask for the configured
    /// API keys, the console shows `facts`, and checkpoints are taken.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn open(
        settings: &Settings,
        facts: Vec<FactBlock>,
        roles: Roles,
    ) -> Result<Self, OpenError> {
        let service = Self::begin(settings, http_options(settings), facts, roles).await?;
        let stores = Arc::clone(&service.stores);
        let opened = tokio::task::spawn_blocking(move || stores.checkpoints());
        let opened = opened.await.map_err(|error| OpenError::Directory {
            dir: settings.data_dir.clone(),
            source: io::Error::other(error),
        })??;
        if let Some(checkpoints) = opened {
            service.engine.take_checkpoints(checkpoints)?;
        }
        Ok(service)
    }

    /// As [`open`](Self::open), for a command of this process: whoever holds the routes may do
    /// everything, except ask for answers where it `answers` not. What is shared with other
    /// processes is left to them to work on.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn open_alone(settings: &Settings, answers: bool) -> Result<Self, OpenError> {
        let is_alone = !ports::is_shared(settings);
        let roles = Roles {
            stream: is_alone,
            answers,
            chores: is_alone,
        };
        Self::open_in(settings, roles).await
    }

    /// The same in these roles.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn open_in(settings: &Settings, roles: Roles) -> Result<Self, OpenError> {
        let http = HttpOptions {
            keys: Vec::new(),
            ..http_options(settings)
        };
        Self::begin(settings, http, Vec::new(), roles).await
    }

    async fn begin(
        settings: &Settings,
        http: HttpOptions,
        facts: Vec<FactBlock>,
        roles: Roles,
    ) -> Result<Self, OpenError> {
        let stores = ports::open(settings, roles).await?;
        let address_key = crate::random::kept(&settings.data_dir.join(ADDRESS_KEY_FILE));
        let address_key = address_key.map_err(|source| {
            let dir = settings.data_dir.clone();
            OpenError::Directory { dir, source }
        })?;
        let options = EngineOptions {
            roles,
            ..engine_options(settings, address_key)
        };
        let engine = Engine::start(Arc::clone(&stores).ports(), options, wall_clock()).await?;
        let app = App::new(Arc::clone(&engine), http).with_snapshots(stores.snapshots());
        let source = EngineSource::new(Arc::clone(&engine), facts);
        let (console, ticker) = ConsoleApp::new(Arc::new(source));
        Ok(Self {
            router: crate::http::router(app.clone(), crate::console::router(console)),
            engine,
            ticker: Some(ticker),
            app,
            stores,
        })
    }

    /// What was repaired when the stores were opened, in words.
    pub fn repairs(&self) -> &[String] {
        self.stores.repairs()
    }

    /// Stops the engine, writes all state and closes the stores.
    ///
    /// # Errors
    /// The first store's that could not be closed cleanly; nothing acknowledged is lost.
    pub async fn close(self) -> Result<(), OpenError> {
        self.engine.shutdown().await;
        let stores = Arc::clone(&self.stores);
        let closed = tokio::task::spawn_blocking(move || stores.close());
        closed.await.map_err(|error| OpenError::Directory {
            dir: Path::new(".").to_owned(),
            source: io::Error::other(error),
        })??;
        Ok(())
    }
}

/// The one place where the wall clock is read for the engine.
pub fn wall_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        IngestTime(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    })
}

/// The engine's options as configured.
pub fn engine_options(settings: &Settings, address_key: u64) -> EngineOptions {
    let is_shared = ports::is_shared(settings);
    let mut options = EngineOptions {
        stream_threads: stream_threads(is_shared),
        commit_interval: Duration::from_millis(settings.commit_interval_ms),
        state_writes_per_second: is_shared.then_some(STATE_WRITES_PER_SECOND),
        state_calls_together: if is_shared { STATE_CALLS_TOGETHER } else { 1 },
        flush_interval: Duration::from_millis(settings.flush_interval_ms),
        after_wait: Duration::from_millis(settings.after_wait_ms),
        lag_max: settings.limits.waiting_events_max,
        address_key,
        id_seed: crate::random::number(),
        rows_keep_days: settings.rows_keep_days,
        checkpoints: CheckpointOptions {
            interval: Duration::from_secs(settings.checkpoint_interval_s),
            timeout: Duration::from_secs(settings.checkpoint_timeout_s),
            pause: Duration::from_secs(settings.checkpoint_pause_s),
            keep: settings.checkpoint_keep,
            ..CheckpointOptions::default()
        },
        ..EngineOptions::default()
    };
    options.user.currency = settings.currency;
    let pipeline = &mut options.pipeline;
    for placement in pipeline
        .placements
        .iter_mut()
        .chain([&mut pipeline.default])
    {
        placement.hide_purchased &= settings.pipeline.already_purchased;
        placement.hide_out_of_stock &= settings.pipeline.out_of_stock;
    }
    options
}

/// Threads of the stream of one process. Each is a member of the group with transactions of its
/// own, and clients of Kafka and Redis have threads too: over shared stores half as many as cores.
fn stream_threads(is_shared: bool) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if is_shared { cores / 2 } else { cores };
    threads.clamp(1, STREAM_THREADS_MAX)
}

fn http_options(settings: &Settings) -> HttpOptions {
    let scoped = [
        (&settings.api_keys, Scope::Full),
        (&settings.write_keys, Scope::WriteOnly),
    ];
    let all = scoped.into_iter().flat_map(|(secrets, scope)| {
        secrets
            .iter()
            .filter_map(move |secret| ApiKey::from_sha256(&secret.hex(), scope))
    });
    HttpOptions {
        is_local_only: settings.listen.ip().is_loopback()
            && settings.api_keys.iter().next().is_none(),
        keys: all.collect(),
        cors_origins: settings.cors_origins.clone(),
        body_bytes_in_flight: usize::try_from(settings.limits.body_bytes_in_flight)
            .unwrap_or(usize::MAX),
        request_timeout: Duration::from_millis(settings.limits.request_timeout_ms),
    }
}
