//! Chores: state to disk, ticks, retention, expiry. Stores of its own every process looks after;
//! what is everybody's, the one that has the chores.

use crate::error::EngineError;
use crate::options::{FLUSHES_SAVED, Waiting};
use crate::shared::Shared;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};
use vitrina_ports::log::{Append, Records};
use vitrina_types::partition::Partition;
use vitrina_types::record::{SlateEnvelope, SlateRecord, UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Expired slates removed in one step.
const PURGE_MAX: usize = 10_000;
const DAY_MS: i64 = 86_400_000;
/// How often stores that failed are tried to be opened again.
const HEAL_INTERVAL: Duration = Duration::from_secs(1);

fn every(period: Duration) -> tokio::time::Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Runs until the engine stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let options = &shared.options;
    let chores = options.roles.chores;
    let mut heal = every(HEAL_INTERVAL);
    let mut flush = every(options.flush_interval);
    let mut tick = every(options.tick_interval);
    let mut retain = every(options.retain_interval);
    // A disk that fails is tried again by the clock, however much waits.
    let mut is_failing = false;
    let mut skipped = 0;
    loop {
        let (chore, done) = tokio::select! {
            _ = heal.tick() => ("reopening", heal_now(&shared).await),
            _ = flush.tick() => {
                skipped += 1;
                let much = shared.ports.upkeep.waiting() == Waiting::Much;
                if much && skipped < FLUSHES_SAVED {
                    continue;
                }
                ("flush", flush_now(&shared).await)
            }
            () = shared.flush_due.notified(), if !is_failing => {
                // Told while a flush was running, which made it so.
                if shared.ports.upkeep.waiting() != Waiting::TooMuch {
                    continue;
                }
                ("flush", flush_now(&shared).await)
            }
            _ = tick.tick(), if chores => ("tick", send_ticks(&shared).await),
            _ = retain.tick(), if chores => ("retention", retain_now(&shared).await),
            () = shared.stopped() => return,
        };
        if chore == "flush" {
            skipped = 0;
            is_failing = done.is_err();
        }
        if let Err(error) = done {
            warn!(chore, %error, "chore failed, tried again later");
        }
    }
}

/// Opens stores again that failed.
async fn heal_now(shared: &Arc<Shared>) -> Result<(), EngineError> {
    let upkeep = Arc::clone(&shared.ports.upkeep);
    let done = tokio::task::spawn_blocking(move || upkeep.heal());
    // Tasks whose state stepped back find out at their next commit and start again from it.
    if done.await.map_err(|_| EngineError::Stopping)?? {
        warn!("stores were opened again; state stepped back and catches up");
    }
    Ok(())
}

/// Writes state to disk, also while another store cannot be opened again: what waits in memory has
/// a bound, and one store that stays broken must not keep it there.
pub(crate) async fn flush_now(shared: &Arc<Shared>) -> Result<(), EngineError> {
    let healed = heal_now(shared).await;
    let upkeep = Arc::clone(&shared.ports.upkeep);
    let done = tokio::task::spawn_blocking(move || upkeep.flush());
    let flushed = done.await.map_err(|_| EngineError::Stopping)?;
    flushed?;
    healed
}

async fn retain_now(shared: &Arc<Shared>) -> Result<(), EngineError> {
    let now = shared.now();
    let upkeep = Arc::clone(&shared.ports.upkeep);
    let done = tokio::task::spawn_blocking(move || upkeep.retain(now));
    let log = done.await.map_err(|_| EngineError::Stopping)?;
    // A full disk is when old rows and slates must go most of all, whatever became of the log.
    let slates = shared.ports.slates.purge(now, PURGE_MAX).await;
    let kept_ms = i64::from(shared.options.rows_keep_days) * DAY_MS;
    let before = now.as_event_time().plus_ms(-kept_ms);
    let forgotten = shared.ports.analytics.retain(before).await?;
    if forgotten > 0 {
        info!(rows = forgotten, "removed expired window rows");
    }
    log?;
    slates?;
    Ok(())
}

/// Time passes: one tick into every partition of what events come into, so that idle ones do not
/// stand still. The stages behind them learn of it by the watermarks that reach them.
async fn send_ticks(shared: &Shared) -> Result<(), EngineError> {
    let ingest_time = shared.now();
    let user = stored::encode(&UserEnvelope {
        ingest_time,
        backfill: false,
        record: UserRecord::Tick,
    });
    let slate = stored::encode(&SlateEnvelope {
        ingest_time,
        backfill: false,
        record: SlateRecord::Tick,
    });
    let both = [(Topic::UserEvents, user), (Topic::SlateSignals, slate)];
    let ticks = both.iter().flat_map(|(topic, record)| {
        Partition::all().map(move |partition| {
            let mut records = Records::default();
            records.push(record);
            Append {
                topic: *topic,
                partition,
                records,
            }
        })
    });
    let log = &shared.ports.log;
    log.publish(ticks.collect(), Vec::new(), false).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{EngineOptions, Ports, Storage, Upkeep};
    use parking_lot::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};
    use vitrina_ports::PortError;
    use vitrina_types::time::IngestTime;

    /// One of its stores cannot be opened again.
    #[derive(Default)]
    struct Broken {
        flushes: AtomicU32,
    }

    impl Upkeep for Broken {
        fn flush(&self) -> Result<(), PortError> {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }

        fn retain(&self, _now: IngestTime) -> Result<(), PortError> {
            Ok(())
        }

        fn heal(&self) -> Result<bool, PortError> {
            let (port, detail) = ("analytics", "cannot be opened".to_owned());
            Err(PortError::Unavailable { port, detail })
        }

        fn storage(&self) -> Storage {
            Storage::default()
        }
    }

    /// Stores that say how much waits, and may fail.
    struct Told {
        flushes: AtomicU32,
        waiting: Mutex<Waiting>,
        fails: bool,
    }

    impl Upkeep for Told {
        fn flush(&self) -> Result<(), PortError> {
            self.flushes.fetch_add(1, Ordering::Relaxed);
            let (port, detail) = ("state", "no room".to_owned());
            match self.fails {
                true => Err(PortError::Unavailable { port, detail }),
                false => Ok(()),
            }
        }

        fn waiting(&self) -> Waiting {
            *self.waiting.lock()
        }

        fn retain(&self, _now: IngestTime) -> Result<(), PortError> {
            Ok(())
        }

        fn heal(&self) -> Result<bool, PortError> {
            Ok(false)
        }

        fn storage(&self) -> Storage {
            Storage::default()
        }
    }

    /// Flushes in so many seconds, told every tenth of one that one is due.
    async fn flushes(waiting: Waiting, fails: bool, seconds: u64) -> u32 {
        let told = Arc::new(Told {
            flushes: AtomicU32::new(0),
            waiting: Mutex::new(waiting),
            fails,
        });
        let ports = Ports {
            upkeep: Arc::clone(&told) as _,
            ..Ports::in_memory()
        };
        let clock = Arc::new(|| IngestTime(1_000));
        let shared = Arc::new(Shared::new(ports, EngineOptions::default(), clock));
        let chores = tokio::spawn(run(Arc::clone(&shared)));
        for _ in 0..seconds * 10 {
            shared.flush_due.notify_one();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        shared.stop.send_replace(true);
        chores.await.unwrap();
        told.flushes.load(Ordering::Relaxed)
    }

    #[tokio::test(start_paused = true)]
    async fn the_more_waits_the_longer_it_may_until_it_is_too_much() {
        let seconds = 40;
        let little = flushes(Waiting::Little, false, seconds).await;
        assert!((38..=42).contains(&little), "every second, not {little}");
        let much = flushes(Waiting::Much, false, seconds).await;
        assert!((3..=5).contains(&much), "every ten seconds, not {much}");
        let too_much = flushes(Waiting::TooMuch, false, seconds).await;
        assert!(too_much >= 390, "whenever told, not {too_much}");
        let failing = flushes(Waiting::TooMuch, true, seconds).await;
        assert!((38..=43).contains(&failing), "by the clock, not {failing}");
    }

    #[tokio::test]
    async fn state_is_written_while_another_store_is_broken() {
        let broken = Arc::new(Broken::default());
        let ports = Ports {
            upkeep: Arc::clone(&broken) as _,
            ..Ports::in_memory()
        };
        let clock = Arc::new(|| IngestTime(1_000));
        let shared = Arc::new(Shared::new(ports, EngineOptions::default(), clock));
        assert!(flush_now(&shared).await.is_err(), "it is told all the same");
        assert_eq!(broken.flushes.load(Ordering::Relaxed), 1);
    }
}
