//! A power cut at any moment: the same promise as for a kill, on a disk that loses what was not
//! synced — all of it, a torn tail of it, or any pages of it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrina_embedded::disk::testing::{Loss, PowerCutDisk};
use vitrina_engine::{Engine, EngineOptions, RawEvent, verify};
use vitrina_ports::faulty::SplitMix64;
use vitrina_server::config::Settings;
use vitrina_server::ports::{OpenError, Stores};
use vitrina_types::time::IngestTime;

/// Seeds run in the test command; each is one disk with several cuts.
const SEEDS: u64 = 6;
/// Power cuts of one disk.
const CUTS: u64 = 4;
/// After this long a wait has failed.
const DEADLINE: Duration = Duration::from_secs(20);
/// The moment of every event: nothing here depends on a clock.
const NOW: IngestTime = IngestTime(1_700_000_000_000);

fn event(number: u64) -> RawEvent {
    let mut random = SplitMix64::new(number);
    let kind = ["view", "add_to_cart", "purchase"][(random.next() % 3) as usize];
    let json = format!(
        r#"{{"event_id":"e{number}","event_type":"{kind}","user_id":"u{}","product_id":"p{}","price":2}}"#,
        random.next() % 40,
        random.next() % 20,
    );
    RawEvent::Json(json.into())
}

async fn open(directory: &Path, disk: &Arc<PowerCutDisk>) -> (Arc<Stores>, Arc<Engine>) {
    let settings = Settings {
        data_dir: directory.to_owned(),
        ..Settings::default()
    };
    // A process that another test is just starting holds every open file until it begins.
    let began = Instant::now();
    let stores = loop {
        match Stores::open_on(&settings, Arc::clone(disk) as _) {
            Err(OpenError::InUse(_)) if began.elapsed() < DEADLINE => {
                tokio::task::yield_now().await;
            }
            opened => break opened.expect("opens after a cut"),
        }
    };
    let options = EngineOptions {
        flush_interval: Duration::from_millis(20),
        ..EngineOptions::default()
    };
    let engine = Engine::start(stores.ports(), options, Arc::new(|| NOW));
    let engine = engine.await.expect("starts after a cut");
    (stores, engine)
}

/// Leaves an engine whose machine has no power any more.
async fn leave(stores: Arc<Stores>, engine: Arc<Engine>) {
    engine.shutdown().await;
    drop(engine);
    let closed = tokio::task::spawn_blocking(move || {
        // Without power closing fails, as it should: nothing more reaches the disk.
        drop(stores.close());
        drop(stores);
    });
    closed.await.unwrap();
}

async fn survive(seed: u64) {
    println!("seed {seed}");
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    let disk = Arc::new(PowerCutDisk::new());
    let mut random = SplitMix64::new(seed);
    let (mut sent, mut acknowledged) = (0, 0);
    for _ in 0..CUTS {
        let (stores, engine) = open(&directory, &disk).await;
        // The power goes before this many changes of the disk.
        disk.stop_after(20 + random.next() % 150);
        loop {
            let batch = (sent..sent + 5).map(event).collect();
            match engine.ingest(batch, "test").await {
                Ok(_) => {
                    sent += 5;
                    acknowledged = sent;
                }
                Err(_) if disk.is_stopped() => break,
                // Refused without a cut: the same events again.
                Err(_) => tokio::task::yield_now().await,
            }
        }
        leave(stores, engine).await;
        let loss = [Loss::Prefix, Loss::Pages, Loss::Nothing][(random.next() % 3) as usize];
        disk.power_cut(loss, random.next());
    }
    let (stores, engine) = open(&directory, &disk).await;
    // What was in the air at the last cut may be there or not; the client sends it again.
    let batch = (sent..sent + 5).map(event).collect();
    engine.ingest(batch, "test").await.unwrap();
    acknowledged += 5;
    engine.settled().await;
    engine.shutdown().await;
    let found = verify(&stores.ports(), &EngineOptions::default())
        .await
        .unwrap();
    assert_eq!(found.differences, 0, "seed {seed}: {:#?}", found.examples);
    let counted: u64 = found.events.values().sum();
    assert_eq!(
        counted, acknowledged,
        "seed {seed}: counted against acknowledged"
    );
    leave(stores, engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_loses_nothing_acknowledged_and_doubles_nothing() {
    for seed in 0..SEEDS {
        survive(seed).await;
    }
}
