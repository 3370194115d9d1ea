//! How many records a second one core takes through each stage, and through a whole driver-like
//! round: decode, load, process, encode.
//!
//! Budget: 2 µs per event in the user stage, 0.6 µs per record in the product stage.
//! `cargo bench -p vitrina-stream`
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used
)]

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

const EVENTS: u64 = 500_000;
const PRODUCTS: u64 = 200_000;
const BATCH: usize = 1_000;
const START: i64 = 1_569_888_000_000;

fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Sessions of about five events, two of five of them about the product before, 94 % views, 4 %
/// carts, 2 % purchases, products by a power law: the shape of REES46.
fn events() -> Vec<Vec<u8>> {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut open: Vec<(u64, u64, u64)> = (0..500).map(|i| (i, i, i)).collect();
    let mut made = Vec::new();
    let mut sessions = 500;
    for place in 0..EVENTS {
        let r = next(&mut seed);
        let slot = (r % 500) as usize;
        if (r >> 20).is_multiple_of(5) {
            sessions += 1;
            open[slot] = (next(&mut seed) % 30_000, sessions, 0);
        }
        let (user, session, before) = open[slot];
        let uniform = (next(&mut seed) % 1_000_000) as f64 / 1e6;
        let fresh = (uniform.powi(3) * PRODUCTS as f64) as u64;
        let product = if (r >> 40) % 5 < 2 { before } else { fresh };
        open[slot].2 = product;
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

/// Old data of many visitors who did two things each, in 30 days: an import. Nearly every event is a
/// session of its own, and half of them are somebody new.
fn imported() -> Vec<Vec<u8>> {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let made = |place: u64| {
        let user = next(&mut seed) % (EVENTS / 2);
        let product = next(&mut seed) % PRODUCTS;
        let mut draft = EventDraft {
            product_id: Some((1_000_000 + product).to_string()),
            price: Amount::from_units(100.0).ok(),
            ..EventDraft::default()
        };
        let at = START + place as i64 * 30 * 86_400_000 / EVENTS as i64;
        let event = Event {
            event_id: EventId::new(&format!("0194f0c2-7b1a-7000-8000-{place:012}")).unwrap(),
            subject: Subject {
                user_id: UserId::new(&format!("{}", 512_000_000 + user)).ok(),
                anonymous_id: None,
            },
            session_id: SessionId::new(&format!("26dd6e6e-4dac-4778-8d2c-{place:012}")).ok(),
            event_time: EventTime(at),
            kind: Kind::read("view", &mut draft).unwrap().unwrap(),
            currency: Some(Currency::USD),
            origin: None,
            context: None,
            consent: Consent::default(),
        };
        stored::encode(&UserEnvelope {
            ingest_time: IngestTime(START + 40 * 86_400_000 + place as i64 / 100),
            backfill: true,
            record: UserRecord::Event(Box::new(event)),
        })
    };
    (0..EVENTS).map(made).collect()
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

/// The median batch, in µs per record: other work on the machine does not count.
fn median_us(mut batches: Vec<f64>) -> f64 {
    batches.sort_by(f64::total_cmp);
    batches[batches.len() / 2] * 1e6
}

/// Runs `log` through one task, prints the rate, answers the outputs to `topic`.
fn run<O: Operator>(name: &str, task: &mut Task<O>, log: &[Vec<u8>], topic: Topic) -> Vec<Vec<u8>> {
    let (mut sent, mut changes, mut bytes, mut offset) = (Vec::new(), 0u64, 0u64, task.position());
    let mut phases = [(); 3].map(|()| Vec::new());
    for batch in log.chunks(BATCH) {
        let mut from = Instant::now();
        let mut lap = |phase: usize| {
            let passed = from.elapsed().as_secs_f64() / batch.len() as f64;
            phases[phase].push(passed);
            from = Instant::now();
        };
        let missing = task.accept((offset..).zip(batch.iter().map(Vec::as_slice)));
        for key in missing {
            task.load(key, None).unwrap();
        }
        lap(0);
        offset = task.position();
        task.process();
        let outputs = task.take_outputs();
        lap(1);
        task.take_changes(&mut |_, _, value| {
            changes += 1;
            bytes += value.map_or(0, |value| value.len() as u64);
        });
        lap(2);
        for output in outputs.iter().filter(|o| o.topic == topic) {
            sent.extend(output.records().map(<[u8]>::to_vec));
        }
    }
    let [accepting, processing, encoding] = phases.map(median_us);
    println!(
        "{name}: {} records, {:.2} us each (accept {accepting:.2}, process {processing:.2}, encode \
         changes {encoding:.2}); {} outputs; {changes} changes of {} bytes on average",
        log.len(),
        accepting + processing + encoding,
        sent.len(),
        bytes / changes.max(1),
    );
    sent
}

fn main() {
    // `cargo test --benches` builds and starts this too, but means to test.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let log = events();
    let users = Task::new(UserStage::default(), Partition(0));
    let mut users = users.with_hot_keys_max(usize::MAX);
    let mut many = Task::new(UserStage::default(), Partition(0)).with_hot_keys_max(usize::MAX);
    let imported = imported();
    run(
        "user stage, import",
        &mut many,
        &imported,
        Topic::WindowRows,
    );
    drop((many, imported));
    let signals = run("user stage", &mut users, &log, Topic::ProductSignals);
    let mine = |record: &Vec<u8>| {
        let envelope: ProductEnvelope = stored::decode(record).unwrap();
        let id = envelope.record.partition_id();
        // What is about no key tells how far the user stage has come, to partition 0.
        id.is_none_or(|id| Partition::of(&id) == Partition(0))
    };
    let kept = |records: Vec<Vec<u8>>| records.into_iter().filter(mine).collect::<Vec<_>>();
    let products = Task::new(ProductStage::default(), Partition(0));
    let mut products = products.with_hot_keys_max(usize::MAX);
    run(
        "product cards",
        &mut products,
        &kept(cards()),
        Topic::ProductSignals,
    );
    let told = run(
        "product stage",
        &mut products,
        &kept(signals),
        Topic::ProductSignals,
    );
    run("categories", &mut products, &told, Topic::ProductSignals);
}
