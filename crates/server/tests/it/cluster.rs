//! One shop in several processes over a real Kafka and Redis: whatever is killed, stopped or
//! started, every acknowledged event counts once.

use crate::support::{DEADLINE, Launcher, Server, exchange};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Clients that send all the time.
const CLIENTS: u64 = 4;
/// Events in one request.
const BATCH: u64 = 20;
/// Visitors: enough that none outgrows the dedupe set between two retries.
const VISITORS: u64 = 2_000;
/// After this long without a sign of life a worker's tasks go to others.
const SESSION: Duration = Duration::from_secs(2);

/// The addresses of the services, or `None` where the test is to be left out.
fn services() -> Option<(String, String)> {
    if std::env::var_os("VITRINA_WITHOUT_SERVICES").is_some() {
        println!("SKIPPED: VITRINA_WITHOUT_SERVICES is set");
        return None;
    }
    let named = |name: &str| {
        std::env::var(name).unwrap_or_else(|_| {
            panic!("{name} is not set: bring it up with `cargo xtask services up`")
        })
    };
    Some((named("VITRINA_TEST_KAFKA"), named("VITRINA_TEST_REDIS")))
}

/// A shop of its own on shared services.
struct Shop {
    place: tempfile::TempDir,
    launcher: Launcher,
}

impl Shop {
    fn new(kafka: &str, redis: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let name = place.path().file_name().unwrap().to_string_lossy();
        let prefix = name.trim_start_matches('.').to_lowercase();
        let session_ms = SESSION.as_millis();
        let log = format!("kafka://{kafka}/{prefix}-?session_timeout_ms={session_ms}");
        let environment = vec![
            ("VITRINA_LOG".to_owned(), log),
            ("VITRINA_STATE".to_owned(), redis.to_owned()),
            ("VITRINA_LOG_FILTER".to_owned(), "info".to_owned()),
        ];
        let launcher = Launcher {
            environment,
            ..Launcher::default()
        };
        Self { place, launcher }
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    fn start(&self, name: &str, role: &str) -> Server {
        Server::launch(&self.launcher, &self.directory(name), &["--role", role])
    }

    fn verify(&self) -> Value {
        self.launcher.verify(&self.directory("verify"))
    }
}

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
            "{{\"event_id\":\"e{event}\",\"event_type\":\"{kind}\",\"user_id\":\"u{}\",\"product_id\":\"p{}\",\"price\":2.5}}\n",
            mix(event) % VISITORS,
            mix(event ^ 9) % 50,
        )
    });
    lines.collect()
}

/// What clients share.
#[derive(Default)]
struct Load {
    hosts: Mutex<Vec<String>>,
    next: AtomicU64,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
}

impl Load {
    /// Sends batches until told to stop; each is sent again, with the same ids, until it is
    /// acknowledged.
    fn send(&self, client: u64) {
        while !self.is_over.load(Ordering::SeqCst) {
            let body = batch(self.next.fetch_add(1, Ordering::SeqCst));
            loop {
                let host = {
                    let hosts = self.hosts.lock().unwrap();
                    hosts[client as usize % hosts.len()].clone()
                };
                let path = "/v1/events";
                match exchange(&host, "POST", path, "application/x-ndjson", body.as_bytes()) {
                    Ok(reply) if reply.status == 202 => break,
                    Ok(reply) => assert!(reply.status >= 429, "{}", reply.text()),
                    // Whether it was taken in is unknown, so it is sent again.
                    Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            self.acknowledged.fetch_add(BATCH, Ordering::SeqCst);
        }
    }
}

fn signal(server: &Server, name: &str) {
    let pid = server.pid().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.unwrap().success());
}

/// Waits until an answer of `host` to `path` is as it should be.
fn until(host: &str, path: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let began = Instant::now();
    loop {
        let answer = exchange(host, "GET", path, "application/json", b"");
        let answer = answer.ok().filter(|reply| reply.status == 200);
        if let Some(found) = answer.map(|reply| reply.json()).filter(&is_so) {
            return found;
        }
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn counted(found: &Value) -> u64 {
    let kinds = ["view", "add_to_cart", "purchase"].iter();
    kinds
        .map(|kind| found["events"][kind].as_u64().unwrap())
        .sum()
}

/// An event taken in by one process is applied by another one, and a third one's answer knows it.
#[test]
fn what_one_process_takes_in_another_answers() {
    let Some((kafka, redis)) = services() else {
        return;
    };
    let shop = Shop::new(&kafka, &redis);
    let relay = shop.start("relay", "relay,api");
    let api = shop.start("api", "api");
    let stream = shop.start("stream", "stream");
    let event = br#"{"event_type":"view","user_id":"ann","product_id":"lamp"}"#;
    let taken = api.call("POST", "/v1/events", event);
    assert_eq!(taken.status, 202, "{}", taken.text());
    let path = "/v1/users/ann/recently-viewed";
    let seen = until(
        &relay.host,
        path,
        "the other process does not know it",
        |found| {
            found["items"]
                .as_array()
                .is_some_and(|items| !items.is_empty())
        },
    );
    assert_eq!(seen["items"][0]["product_id"], "lamp");
    // Made known where the catalogue is, shown where it is not.
    let lamp = br#"{"title":"Desk lamp","price":12.5}"#;
    let put = relay.call("PUT", "/v1/products/lamp", lamp);
    assert!(put.status < 300, "{}: {}", put.status, put.text());
    until(
        &api.host,
        path,
        "the answer does not know the title",
        |found| found["items"][0]["product"]["title"] == "Desk lamp",
    );
    let refused = api.call("PUT", "/v1/products/lamp", lamp);
    assert_eq!(refused.status, 503, "{}", refused.text());
    let refused = stream.call("POST", "/v1/recommendations", br#"{"user_id":"ann"}"#);
    assert_eq!(refused.status, 503, "{}", refused.text());
    for server in [stream, api, relay] {
        server.stop();
    }
    let found = shop.verify();
    assert_eq!(
        (&found["differences"], counted(&found)),
        (&0.into(), 1),
        "{found:#}"
    );
}

/// Kills a worker or an intake and starts it again, or stops a worker past its session.
fn disturb(chance: u64, shop: &Shop, workers: &mut Vec<Server>, apis: &mut Vec<Server>) {
    let victim = (chance >> 8) as usize % workers.len();
    match chance % 4 {
        0 | 1 => {
            let name = format!("stream-{victim}");
            workers.remove(victim).kill();
            workers.insert(victim, shop.start(&name, "stream"));
        }
        2 => {
            // A zombie: its tasks are others' when it wakes up, in the middle of something.
            signal(&workers[victim], "-STOP");
            std::thread::sleep(SESSION + SESSION / 2);
            signal(&workers[victim], "-CONT");
        }
        _ => {
            apis.remove(0).kill();
            apis.push(shop.start("api", "api"));
        }
    }
}

/// Workers killed, stopped past their session and started again, an intake killed: nothing
/// acknowledged is lost, nothing counts twice.
#[test]
fn chaos_under_load_loses_and_doubles_nothing() {
    let Some((kafka, redis)) = services() else {
        return;
    };
    let seed: u64 = std::env::var("VITRINA_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(0x5eed);
    println!("VITRINA_TEST_SEED={seed}");
    let shop = Shop::new(&kafka, &redis);
    let relay = shop.start("relay", "relay,api");
    let mut apis = vec![shop.start("api", "api")];
    let mut workers: Vec<Server> = (0..3)
        .map(|number| shop.start(&format!("stream-{number}"), "stream"))
        .collect();
    let load = Arc::new(Load::default());
    *load.hosts.lock().unwrap() = vec![relay.host.clone(), apis[0].host.clone()];
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let load = Arc::clone(&load);
            std::thread::spawn(move || load.send(client))
        })
        .collect();
    for round in 0..rounds() {
        let chance = mix(seed ^ round);
        disturb(chance, &shop, &mut workers, &mut apis);
        load.hosts.lock().unwrap()[1] = apis[0].host.clone();
        // The moment is chance on purpose: nothing is asserted about it.
        std::thread::sleep(Duration::from_millis(100 + (chance >> 16) % 1_000));
    }
    load.is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().unwrap();
    }
    let acknowledged = load.acknowledged.load(Ordering::SeqCst);
    until(
        &relay.host,
        "/v1/status",
        "not everything is applied",
        |found| {
            let lag = found["lag"].as_object().unwrap();
            lag.values().all(|waiting| waiting == 0)
        },
    );
    for server in workers.into_iter().chain(apis).chain([relay]) {
        server.stop();
    }
    let found = shop.verify();
    assert_eq!(found["differences"], 0, "{found:#}");
    assert!(acknowledged > 50 * BATCH, "hardly any load: {acknowledged}");
    assert_eq!(
        counted(&found),
        acknowledged,
        "counted against acknowledged"
    );
}

/// How often something happens; more at night.
fn rounds() -> u64 {
    let asked = std::env::var("VITRINA_TEST_CHAOS_ROUNDS").ok();
    asked.and_then(|asked| asked.parse().ok()).unwrap_or(8)
}

/// A process's part of the work needs stores that others work on too.
#[test]
fn a_role_alone_is_refused_on_a_data_directory() {
    let place = tempfile::tempdir().unwrap();
    let directory: &Path = &place.path().join("data");
    let directory = directory.to_str().unwrap();
    let args = [
        "serve",
        "--role",
        "api",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        directory,
    ];
    let refused = Launcher::default().run(&args);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(said.contains("kafka://HOST:PORT"), "{said}");
}
