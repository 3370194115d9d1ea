//! How many records a second one core takes through each stage, and through a whole driver-like
//! round: decode, load, process, encode.
//!
//! Budget: 2 µs per event in the user stage, 0.6 µs per record in the product stage.
//! `cargo run --release -p vitrina-stream --example rate`
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, clippy::unwrap_used)]

use std::time::Instant;
use vitrina_stream::{Operator, ProductStage, Task, UserStage};
use vitrina_types::event::{Consent, Event, Kind, Subject, draft::EventDraft};
use vitrina_types::id::{EventId, ProductId, SessionId, UserId};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::partition::Partition;
use vitrina_types::product::Product;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

const EVENTS: u64 = 400_000;
const PRODUCTS: u64 = 60_000;
const BATCH: usize = 1_000;
const START: i64 = 1_569_888_000_000;

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Sessions of about five products each, 94 % views, 4 % carts, 2 % purchases, products by a
/// power law: the shape of REES46.
fn events() -> Vec<Vec<u8>> {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut open: Vec<(u64, u64)> = (0..500).map(|i| (i, i)).collect();
    let mut made = Vec::new();
    let mut sessions = 500;
    for place in 0..EVENTS {
        let r = next(&mut seed);
        let slot = (r % 500) as usize;
        if r % 7 == 0 {
            sessions += 1;
            open[slot] = (next(&mut seed) % 100_000, sessions);
        }
        let (user, session) = open[slot];
        let uniform = (next(&mut seed) % 1_000_000) as f64 / 1e6;
        let product = (uniform.powi(3) * PRODUCTS as f64) as u64;
        let mut draft = EventDraft {
            product_id: Some((1_000_000 + product).to_string()),
            price: Amount::from_units(100.0).ok(),
            ..EventDraft::default()
        };
        let name = match next(&mut seed) % 50 {
            0 => "purchase",
            1 | 2 => "add_to_cart",
            _ => "view",
        };
        let at = START + place as i64 * 20;
        let event = Event {
            event_id: EventId::new(&format!("0194f0c2-7b1a-7000-8000-{place:012}")).unwrap(),
            subject: Subject {
                user_id: UserId::new(&format!("{}", 512_000_000 + user)).ok(),
                anonymous_id: None,
            },
            session_id: SessionId::new(&format!("26dd6e6e-4dac-4778-8d2c-{session:012}")).ok(),
            event_time: EventTime(at),
            kind: Kind::read(name, &mut draft).unwrap().unwrap(),
            currency: Some(Currency::USD),
            origin: None,
            context: None,
            consent: Consent::default(),
        };
        made.push(stored::encode(&UserEnvelope {
            ingest_time: IngestTime(at),
            backfill: false,
            record: UserRecord::Event(Box::new(event)),
        }));
    }
    made
}

fn cards() -> Vec<Vec<u8>> {
    let card = |i: u64| {
        let id = ProductId::new(&(1_000_000 + i).to_string()).unwrap();
        let mut product = Product::bare(id, EventTime(START));
        product.title = Some(format!("product number {i}").into());
        product.brand = Some("samsung".into());
        product.category_path = vec!["electronics".into(), format!("kind{}", i % 50).into()];
        let record = ProductRecord::Upsert {
            version: 1,
            product: Box::new(product),
        };
        stored::encode(&ProductEnvelope {
            ingest_time: IngestTime(START),
            backfill: false,
            record,
        })
    };
    (0..PRODUCTS).map(card).collect()
}

/// Runs `log` through one task, prints the rate, answers the outputs to `topic`.
fn run<O: Operator>(name: &str, task: &mut Task<O>, log: &[Vec<u8>], topic: Topic) -> Vec<Vec<u8>> {
    let (mut sent, mut changes, mut bytes, mut offset) = (Vec::new(), 0u64, 0u64, task.position());
    let started = Instant::now();
    let (mut accepting, mut processing, mut encoding) = (0.0, 0.0, 0.0);
    for batch in log.chunks(BATCH) {
        let from = Instant::now();
        let missing = task.accept((offset..).zip(batch.iter().map(Vec::as_slice)));
        for key in missing {
            task.load(key, None).unwrap();
        }
        offset = task.position();
        accepting += from.elapsed().as_secs_f64();
        let from = Instant::now();
        task.process();
        let outputs = task.take_outputs();
        processing += from.elapsed().as_secs_f64();
        let from = Instant::now();
        task.take_changes(&mut |_, _, value| {
            changes += 1;
            bytes += value.map_or(0, |value| value.len() as u64);
        });
        encoding += from.elapsed().as_secs_f64();
        for output in outputs.iter().filter(|o| o.topic == topic) {
            sent.extend(output.records().map(<[u8]>::to_vec));
        }
    }
    let (all, per) = (started.elapsed().as_secs_f64(), 1e6 / log.len() as f64);
    println!(
        "{name}: {} records, {:.2} us each (accept {:.2}, process {:.2}, encode changes {:.2}); \
         {} outputs; {} changes of {} bytes on average",
        log.len(),
        all * per,
        accepting * per,
        processing * per,
        encoding * per,
        sent.len(),
        changes,
        bytes / changes.max(1),
    );
    sent
}

fn main() {
    let log = events();
    let users = Task::new(UserStage::default(), Partition(0));
    let mut users = users.with_hot_keys_max(usize::MAX);
    let mut signals = run("user stage", &mut users, &log, Topic::ProductSignals);
    let products = Task::new(ProductStage::default(), Partition(0));
    let mut products = products.with_hot_keys_max(usize::MAX);
    run("product cards", &mut products, &cards(), Topic::ProductSignals);
    signals.truncate(2_000_000);
    let told = run("product stage", &mut products, &signals, Topic::ProductSignals);
    run("categories", &mut products, &told, Topic::ProductSignals);
}
