//! Stores that several processes work on: the event log on Kafka, state on Redis.
//!
//! The catalogue, window rows and slates have no shared store in this release: the one process
//! that does the chores keeps them in its data directory, and the others say so to whoever asks.

use super::elsewhere::Elsewhere;
use super::own::OwnStores;
use super::{Backing, INPUTS, OpenError, blocking, hold, snapshots_url, without_secrets};
use crate::config::Settings;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use vitrina_embedded::disk::{Disk, DiskLock, OsDisk};
use vitrina_engine::{CheckpointStores, Ports, Roles, Storage, Upkeep};
use vitrina_kafka::{KafkaLog, KafkaOptions, KafkaSeat, SeatOptions};
use vitrina_ports::log::EventLog;
use vitrina_ports::seat::{Seat, Seats};
use vitrina_ports::snapshots::SnapshotStore;
use vitrina_ports::{PortError, PortFuture};
use vitrina_redis::{RedisOptions, RedisState};
use vitrina_snapshots::SnapshotFolder;
use vitrina_types::time::IngestTime;

/// Name of the file with the number by which a data directory's process is known to the others.
const MEMBER_FILE: &str = "member";
const KAFKA: &str = "kafka://";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Workers of one process that can be told apart.
const WORKERS_BITS: u32 = 4;

/// Log and state that are shared, and what this process keeps for itself.
struct SharedStores {
    log: Arc<KafkaLog>,
    state: Arc<RedisState>,
    seats: Arc<KafkaSeats>,
    own: Option<OwnStores>,
    snapshots: Arc<dyn SnapshotStore>,
    data_dir: PathBuf,
    reserve_bytes: u64,
    _lock: DiskLock,
}

/// Opens them.
///
/// # Errors
/// [`OpenError`], with what to do.
pub(super) async fn open(settings: &Settings, roles: Roles) -> Result<Arc<dyn Backing>, OpenError> {
    check_urls(settings)?;
    let dir = settings.data_dir.clone();
    let named = blocking(&settings.data_dir, move || {
        let lock = hold(&dir)?;
        let member = crate::random::kept(&dir.join(MEMBER_FILE)).map_err(directory(&dir))?;
        Ok::<_, OpenError>((lock, member))
    });
    let (lock, member) = named.await?;
    let kafka = kafka_options(settings, member)?;
    // The log first: it creates the topics that a seat looks for.
    let log = KafkaLog::open(kafka.clone()).await?;
    let state = RedisState::connect(redis_options(settings, &kafka)).await?;
    let own = match roles.chores {
        false => None,
        true => {
            let settings = settings.clone();
            let dir = settings.data_dir.clone();
            Some(blocking(&dir, move || Ok(OwnStores::open(&settings)?)).await?)
        }
    };
    Ok(Arc::new(SharedStores {
        log: Arc::new(log),
        state: Arc::new(state),
        seats: Arc::new(KafkaSeats {
            options: kafka,
            first_slot: (member as u32) << WORKERS_BITS,
        }),
        own,
        snapshots: Arc::new(SnapshotFolder::open(&snapshots_url(settings))?),
        data_dir: settings.data_dir.clone(),
        reserve_bytes: settings.disk_reserve_bytes,
        _lock: lock,
    }))
}

fn directory(dir: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let dir = dir.to_owned();
    |source| OpenError::Directory { dir, source }
}

/// Log and state are shared together, everything else is embedded.
fn check_urls(settings: &Settings) -> Result<(), OpenError> {
    let is_redis = |url: &str| ["redis", "rediss"].iter().any(|it| url.starts_with(it));
    let fields = [
        ("log", &settings.log, settings.log.starts_with(KAFKA)),
        ("state", &settings.state, is_redis(&settings.state)),
        (
            "catalogue",
            &settings.catalogue,
            settings.catalogue == super::EMBEDDED,
        ),
        (
            "slates",
            &settings.slates,
            settings.slates == super::EMBEDDED,
        ),
        (
            "analytics",
            &settings.analytics,
            settings.analytics == super::EMBEDDED,
        ),
    ];
    for (field, url, is_known) in fields {
        if !is_known {
            let url = without_secrets(url);
            return Err(OpenError::NotTogether { field, url });
        }
    }
    Ok(())
}

/// What the URL says, and the settings where it says nothing.
fn kafka_options(settings: &Settings, member: u64) -> Result<KafkaOptions, PortError> {
    let mut options = KafkaOptions::from_url(&settings.log)?;
    if !settings.log.contains("member=") {
        options.member = format!("{member:016x}");
    }
    if !settings.log.contains("retention_days=") {
        options.retention = DAY * u32::try_from(settings.retention_days).unwrap_or(u32::MAX);
    }
    Ok(options)
}

/// State goes with its log: under the same prefix.
fn redis_options(settings: &Settings, kafka: &KafkaOptions) -> RedisOptions {
    let mut options = RedisOptions::new(&settings.state);
    options.prefix.push_str(&kafka.prefix);
    options
}

/// Seats of this process's workers in the group.
struct KafkaSeats {
    options: KafkaOptions,
    /// Of the first worker; the others follow.
    first_slot: u32,
}

impl Seats for KafkaSeats {
    fn seat<'a>(
        &'a self,
        _log: &'a Arc<dyn EventLog>,
        worker: usize,
        _of: usize,
    ) -> PortFuture<'a, Box<dyn Seat>> {
        Box::pin(async move {
            let slot = self.first_slot + worker as u32 % (1 << WORKERS_BITS);
            let seat = SeatOptions::new(slot, INPUTS.to_vec());
            let seat = KafkaSeat::open(self.options.clone(), seat).await?;
            Ok(Box::new(seat) as Box<dyn Seat>)
        })
    }

    fn are_alone(&self) -> bool {
        false
    }
}

impl Backing for SharedStores {
    fn ports(self: Arc<Self>) -> Ports {
        let own = self.own.as_ref();
        let elsewhere = || Arc::new(Elsewhere);
        Ports {
            log: Arc::clone(&self.log) as _,
            state: Arc::clone(&self.state) as _,
            seats: Arc::clone(&self.seats) as _,
            catalogue: own.map_or_else(|| elsewhere() as _, OwnStores::catalogue),
            slates: own.map_or_else(|| elsewhere() as _, OwnStores::slates),
            analytics: own.map_or_else(|| elsewhere() as _, OwnStores::analytics),
            upkeep: self,
        }
    }

    fn snapshots(&self) -> Arc<dyn SnapshotStore> {
        Arc::clone(&self.snapshots)
    }

    fn checkpoints(&self) -> Result<Option<CheckpointStores>, PortError> {
        Ok(None)
    }

    fn repairs(&self) -> &[String] {
        self.own.as_ref().map_or(&[], OwnStores::repairs)
    }

    fn close(&self) -> Result<(), PortError> {
        self.own.as_ref().map_or(Ok(()), OwnStores::close)
    }
}

/// Kafka and Redis look after themselves.
impl Upkeep for SharedStores {
    fn flush(&self) -> Result<(), PortError> {
        self.own.as_ref().map_or(Ok(()), OwnStores::flush)
    }

    fn retain(&self, _now: IngestTime) -> Result<(), PortError> {
        Ok(())
    }

    fn heal(&self) -> Result<bool, PortError> {
        self.own.as_ref().map_or(Ok(()), OwnStores::heal)?;
        Ok(false)
    }

    fn storage(&self) -> Storage {
        Storage {
            free_bytes: OsDisk.free_bytes(&self.data_dir).unwrap_or(0),
            reserve_bytes: self.reserve_bytes,
            ..Storage::default()
        }
    }
}
