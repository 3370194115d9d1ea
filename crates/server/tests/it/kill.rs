//! `kill -9` at any moment: nothing acknowledged is lost, nothing counts twice.

use crate::support::{Server, exchange, verify};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Kills during load.
const KILLS: u64 = 30;
/// Clients sending all the time.
const CLIENTS: u64 = 4;
/// Events in one request.
const BATCH: u64 = 20;
/// Visitors: enough that none outgrows the dedupe set between two retries.
const VISITORS: u64 = 400;

fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn batch(number: u64) -> String {
    let lines = (number * BATCH..(number + 1) * BATCH).map(|event| {
        let kind = ["view", "view", "add_to_cart", "purchase"][(mix(event) % 4) as usize];
        format!(
            "{{\"event_id\":\"e{event}\",\"event_type\":\"{kind}\",\"user_id\":\"u{}\",\"anonymous_id\":\"a{}\",\"product_id\":\"p{}\",\"price\":2.5}}\n",
            mix(event) % VISITORS,
            mix(event) % VISITORS,
            mix(event ^ 9) % 50,
        )
    });
    lines.collect()
}

/// Sends batches until told to stop; each is sent again, with the same ids, until it is
/// acknowledged.
fn client(host: &Mutex<String>, next: &AtomicU64, acknowledged: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let body = batch(next.fetch_add(1, Ordering::SeqCst));
        loop {
            let at = host.lock().unwrap().clone();
            let path = "/v1/events";
            match exchange(&at, "POST", path, "application/x-ndjson", body.as_bytes()) {
                Ok(reply) if reply.status == 202 => break,
                Ok(reply) => assert!(reply.status >= 429, "{}: {}", reply.status, reply.text()),
                // Killed in between: whether it was taken in is unknown, so it is sent again.
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        acknowledged.fetch_add(BATCH, Ordering::SeqCst);
    }
}

#[test]
fn thirty_kills_under_load_lose_and_double_nothing() {
    let seed: u64 = std::env::var("VITRINA_TEST_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(0x5eed);
    println!("VITRINA_TEST_SEED={seed}");
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("data");
    let mut server = Server::start(&directory);
    let host = Arc::new(Mutex::new(server.host.clone()));
    let (next, acknowledged) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (host, next) = (Arc::clone(&host), Arc::clone(&next));
            let (acknowledged, stop) = (Arc::clone(&acknowledged), Arc::clone(&stop));
            std::thread::spawn(move || client(&host, &next, &acknowledged, &stop))
        })
        .collect();
    for kill in 0..KILLS {
        // The moment of the kill is chance on purpose: nothing is asserted about it.
        std::thread::sleep(Duration::from_millis(20 + mix(seed ^ kill) % 200));
        server.kill();
        server = Server::start(&directory);
        *host.lock().unwrap() = server.host.clone();
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    server.stop();
    let found = verify(&directory);
    assert_eq!(found["differences"], 0, "{found:#}");
    let counted: u64 = ["view", "add_to_cart", "purchase"]
        .iter()
        .map(|kind| found["events"][kind].as_u64().unwrap())
        .sum();
    let acknowledged = acknowledged.load(Ordering::SeqCst);
    assert!(
        acknowledged > KILLS * BATCH,
        "hardly any load: {acknowledged}"
    );
    assert_eq!(counted, acknowledged, "counted against acknowledged");
}
