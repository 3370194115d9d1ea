//! What comes into the topology from outside: events, ticks, bans, and tasks elsewhere.

use std::collections::BTreeMap;
use vitrina_ports::faulty::SplitMix64;
use vitrina_types::ban::BanTarget;
use vitrina_types::event::{Intake, parse};
use vitrina_types::id::ProductId;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::product::Product;
use vitrina_types::record::{
    ProductEnvelope, ProductRecord, RowEnvelope, RowRecord, Upstream, UserEnvelope, UserRecord,
};
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime, Progress, Watermark};
use vitrina_types::topic::Topic;

/// The partitions that are simulated; the others are elsewhere, and idle.
pub(super) const SIMULATED: [Partition; 2] = [Partition(0), Partition(1)];
/// The first moment.
const BEGIN_MS: i64 = 1_700_000_000_000;
const MINUTE_MS: i64 = 60_000;

/// A record to be appended.
pub(super) type Arrival = (Topic, Partition, Vec<u8>);

/// Names whose partition is simulated.
fn names(prefix: &str, count: usize) -> Vec<String> {
    let all = (0..).map(|number| format!("{prefix}{number}"));
    let here = all.filter(|name| SIMULATED.contains(&Partition::of(name)));
    here.take(count).collect()
}

/// Makes arrivals, each different from all others.
pub(super) struct Source {
    users: Vec<String>,
    visitors: Vec<String>,
    products: Vec<String>,
    categories: Vec<String>,
    made: u64,
    /// Event time comes this far.
    now_ms: i64,
    /// Events as JSON with their ingest time, to be sent again.
    sent: Vec<(String, IngestTime)>,
    versions: BTreeMap<String, u64>,
}

impl Source {
    pub(super) fn new() -> Self {
        Self {
            users: names("u", 4),
            visitors: names("a", 2),
            products: names("p", 4),
            categories: names("c", 2),
            made: 0,
            now_ms: BEGIN_MS,
            sent: Vec::new(),
            versions: BTreeMap::new(),
        }
    }

    /// What is there before anything happens: products, and tasks elsewhere that are far ahead.
    pub(super) fn beginning(&mut self) -> Vec<Arrival> {
        let far = Progress {
            live: Watermark(i64::MAX / 2),
            backfill: None,
        };
        let mut all = Vec::new();
        for from in SIMULATED.len() as u16..PARTITIONS {
            let upstream = Upstream {
                from,
                of: 0,
                progress: far,
            };
            let ingest_time = self.ingest_time();
            let record = ProductRecord::Upstream(upstream);
            all.push((
                Topic::ProductSignals,
                Partition(0),
                product(ingest_time, record),
            ));
            let envelope = RowEnvelope {
                ingest_time: self.ingest_time(),
                backfill: false,
                record: RowRecord::Upstream(upstream),
            };
            all.push((Topic::RowSignals, Partition(0), stored::encode(&envelope)));
        }
        for number in 0..self.products.len() {
            all.push(self.card(number));
        }
        all
    }

    fn ingest_time(&mut self) -> IngestTime {
        self.made += 1;
        IngestTime(self.now_ms + self.made as i64)
    }

    fn card(&mut self, number: usize) -> Arrival {
        let id = ProductId::new(&self.products[number]).unwrap();
        let mut card = Product::bare(id.clone(), EventTime(BEGIN_MS));
        let category = &self.categories[number % self.categories.len()];
        card.category_path = vec![category.as_str().into()];
        let version = self.versions.entry(format!("p{number}")).or_insert(0);
        *version += 1;
        let record = ProductRecord::Upsert {
            version: *version,
            product: Box::new(card),
        };
        let partition = Partition::of(id.as_str());
        let ingest_time = self.ingest_time();
        (
            Topic::ProductSignals,
            partition,
            product(ingest_time, record),
        )
    }

    /// Something that a visitor did, mostly in order, sometimes late, sometimes a duplicate.
    pub(super) fn event(&mut self, random: &mut SplitMix64) -> Arrival {
        if !self.sent.is_empty() && random.next().is_multiple_of(6) {
            let again = random.next() as usize % self.sent.len();
            let (json, ingest_time) = self.sent[again].clone();
            return event(&json, ingest_time);
        }
        self.now_ms += (random.next() % 4) as i64 * MINUTE_MS;
        let ingest_time = self.ingest_time();
        let late_ms = match random.next() % 8 {
            0 => 3 * MINUTE_MS,
            1 => 40 * MINUTE_MS,
            _ => 0,
        };
        let kind = ["view", "add_to_cart", "purchase", "return"][random.next() as usize % 4];
        let who = match random.next() % 4 {
            0 => format!(r#""anonymous_id":"{}""#, pick(&self.visitors, random)),
            1 => format!(
                r#""user_id":"{}","anonymous_id":"{}""#,
                pick(&self.users, random),
                pick(&self.visitors, random)
            ),
            _ => format!(r#""user_id":"{}""#, pick(&self.users, random)),
        };
        let json = format!(
            r#"{{"event_id":"e{}","event_type":"{kind}",{who},"product_id":"{}","price":3,"event_time":{}}}"#,
            self.made,
            pick(&self.products, random),
            self.now_ms - late_ms,
        );
        self.sent.push((json.clone(), ingest_time));
        event(&json, ingest_time)
    }

    /// Time passes in every simulated partition.
    pub(super) fn ticks(&mut self, ahead_ms: i64) -> Vec<Arrival> {
        self.now_ms += ahead_ms;
        let each = SIMULATED.iter().map(|&partition| {
            let envelope = UserEnvelope {
                ingest_time: self.ingest_time(),
                backfill: false,
                record: UserRecord::Tick,
            };
            (Topic::UserEvents, partition, stored::encode(&envelope))
        });
        each.collect()
    }

    /// A ban is set or lifted.
    pub(super) fn ban(&mut self, random: &mut SplitMix64) -> Arrival {
        let id = pick(&self.products, random).to_owned();
        let target = BanTarget::Product(ProductId::new(&id).unwrap());
        let ban_id = target.id();
        let version = self.versions.entry(ban_id.clone()).or_insert(0);
        *version += 1;
        let record = ProductRecord::Ban {
            version: *version,
            target,
            banned: random.next().is_multiple_of(2),
        };
        let ingest_time = self.ingest_time();
        let partition = SIMULATED[Partition::of(&ban_id).at() % SIMULATED.len()];
        (
            Topic::ProductSignals,
            partition,
            product(ingest_time, record),
        )
    }
}

fn pick<'a>(names: &'a [String], random: &mut SplitMix64) -> &'a str {
    &names[random.next() as usize % names.len()]
}

fn product(ingest_time: IngestTime, record: ProductRecord) -> Vec<u8> {
    stored::encode(&ProductEnvelope {
        ingest_time,
        backfill: false,
        record,
    })
}

fn event(json: &str, ingest_time: IngestTime) -> Arrival {
    let intake = Intake {
        ingest_time,
        fresh_event_id: &|| unreachable!("has an id"),
        hash_address: &|_| 0,
    };
    let event = parse(json.as_bytes(), &intake).unwrap();
    let partition = Partition::of(event.subject.partition_id());
    let envelope = UserEnvelope {
        ingest_time,
        backfill: false,
        record: UserRecord::Event(Box::new(event)),
    };
    (Topic::UserEvents, partition, stored::encode(&envelope))
}
