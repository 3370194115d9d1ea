//! A source with fixed values, among them hostile ones: what pages are tested and looked at with.

use crate::console::ConsoleSource;
use crate::console::ring::{Reading, StreamPoint};
use crate::console::source::{Answered, SourceError};
use crate::console::view::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use vitrina_types::time::EventTime;

/// 2026-03-01T12:00:00Z.
pub(crate) const NOW: EventTime = EventTime(1_772_366_400_000);
/// A title that tries to be markup.
pub(crate) const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&</script>";

pub(crate) struct Fake {
    now: AtomicI64,
    banned: Mutex<Vec<String>>,
    pub(super) empty: bool,
}

impl Fake {
    /// A busy shop.
    pub(crate) fn busy() -> Self {
        Self {
            now: AtomicI64::new(NOW.0),
            banned: Mutex::default(),
            empty: false,
        }
    }

    /// A shop where nothing ever happened.
    pub(crate) fn empty() -> Self {
        Self {
            empty: true,
            ..Self::busy()
        }
    }

    /// Lets `seconds` pass.
    pub(crate) fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds * 1_000, Ordering::Relaxed);
    }

    pub(super) fn ago(&self, seconds: i64) -> EventTime {
        self.now().plus_ms(-seconds * 1_000)
    }

    fn line(&self, n: usize) -> ProductLine {
        let card = card(n);
        ProductLine {
            in_catalogue: n != 9,
            stock: [None, Some(0), Some(14), Some(250)][n % 4],
            offered: n % 4 != 1,
            banned: self.banned.lock().unwrap().contains(&card.product_id),
            sku_banned: n == 7,
            updated_at: (n != 9).then(|| self.ago(3_600 * n as i64)),
            card,
        }
    }
}

type Row = (&'static str, &'static str, &'static str, &'static str, f64);

#[rustfmt::skip]
const SHOP: [Row; 12] = [
    ("1004856", "", "samsung", "electronics.smartphone", 130.76),
    ("1004767", "", "samsung", "electronics.smartphone", 242.48),
    ("4804056", "AirPods with charging case", "apple", "electronics.audio.headphone", 164.02),
    ("1005115", "", "apple", "electronics.smartphone", 975.57),
    ("26500130", HOSTILE, "evil", "<b>x</b>", 9.99),
    ("17200506", "", "", "furniture.living_room.sofa", 543.10),
    ("3900821", "Водонагреватель накопительный", "aqua", "appliances.environment.water_heater", 33.20),
    ("1307067", "", "lenovo", "computers.notebook", 251.74),
    ("1480613", "", "pulser", "computers.desktop", 908.62),
    ("44600062", "", "shiseido", "", 35.79),
    ("5100816", "Mi Band 4", "xiaomi", "electronics.clocks", 29.51),
    ("12703000", "A title so long that it has to be wrapped somewhere in the middle of the column because nobody ever writes short ones", "", "", 2_190.00),
];

pub(crate) fn card(n: usize) -> Card {
    let (id, title, brand, category, price) = SHOP[n % SHOP.len()];
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let narrow = category.rsplit('.').next().unwrap();
    let parts = [brand, narrow, id]
        .into_iter()
        .filter(|part| !part.is_empty());
    Card {
        product_id: id.into(),
        shown_as: some(title).unwrap_or_else(|| parts.collect::<Vec<_>>().join(" · ")),
        brand: some(brand),
        category: some(category),
        price: Some(format!("{price:.2} USD")),
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> Answered<'a, T> {
    Box::pin(std::future::ready(Ok(value)))
}

impl ConsoleSource for Fake {
    fn now(&self) -> EventTime {
        EventTime(self.now.load(Ordering::Relaxed))
    }

    fn reading(&self) -> Reading {
        if self.empty {
            return Reading {
                at: self.now(),
                ..Reading::default()
            };
        }
        let t = self.now().since_ms(NOW) as f64 / 1_000.0 + 400.0;
        let wave = (t / 40.0).sin();
        let noise = (t * 12.9898).sin() * 43_758.545 % 1.0;
        Reading {
            at: self.now(),
            events_total: (t * 212.0 + 900.0 * wave + 30.0 * noise) as u64,
            answers_total: (t * 48.0 + 110.0 * wave + 6.0 * noise) as u64,
            freshness_p50_ms: Some(3.1 + 0.3 * wave + 0.2 * noise),
            freshness_p95_ms: Some(7.8 + 1.1 * wave + 0.8 * noise),
            freshness_p99_ms: Some(12.4 + 2.1 * wave + 1.6 * noise),
            answer_p50_ms: Some(0.41 + 0.03 * noise),
            answer_p99_ms: Some(1.9 + 0.4 * wave.abs() + 0.3 * noise),
            lag: (9.0 + 8.0 * noise).max(0.0) as u64,
            products: 11_482,
            dead_letters: 37,
            stream: StreamPoint {
                lag_users: (9.0 + 8.0 * noise).max(0.0) as u64,
                lag_products: (16.0 + 14.0 * noise).max(0.0) as u64,
                lag_slates: (3.0 + 3.0 * wave).max(0.0) as u64,
                lag_rows: (40.0 + 30.0 * wave + 10.0 * noise).max(0.0) as u64,
                lag_shop: 0,
                lag_sinks: (6.0 + 5.0 * noise).max(0.0) as u64,
                delay_users_s: Some(5.0 + t % 10.0),
                delay_products_s: Some(5.6 + t % 10.0),
                delay_slates_s: Some(5.1 + t % 10.0),
                delay_rows_s: Some(6.3 + t % 10.0),
                open_windows: 8_204 + (200.0 * wave) as u64,
                late_events: 118,
                retries: 2,
                checkpoint_age_s: Some(t as u64 % 600),
            },
        }
    }

    fn top(&self, limit: usize) -> Vec<TopProduct> {
        let count = if self.empty { 0 } else { limit };
        let top = (0..count).map(|n| TopProduct {
            card: card(n),
            interest: 412.5 / (1.0 + n as f64 * 0.6),
        });
        top.collect()
    }

    fn recent_slates(&self, limit: usize) -> Vec<SlateLine> {
        let count = if self.empty { 0 } else { limit.min(10) };
        let lines = (0..count).map(|n| SlateLine {
            slate_id: format!("01JNABCDEFGHJKMNPQRSTVWX{n:02}"),
            visitor_id: (n != 3).then(|| format!("54131214{n}")),
            placement: ["home", "product", "cart"][n % 3].into(),
            at: self.ago(n as i64 * 2),
            first: (n..n + 3).map(|n| card(n).shown_as).collect(),
            items: 10,
        });
        lines.collect()
    }

    fn visitor<'a>(&'a self, id: &'a str) -> Answered<'a, Option<Visitor>> {
        if id.len() > 128 {
            let error = SourceError::BadId("id has 129 bytes, the limit is 128".into());
            return Box::pin(std::future::ready(Err(error)));
        }
        if self.empty || id == "nobody" {
            return ready(None);
        }
        let kinds = [
            "view",
            "view",
            "add_to_cart",
            "view",
            "purchase",
            "search",
            "view",
        ];
        let history = (0..14).map(|n| Meeting {
            card: card(n),
            kind: kinds[n % kinds.len()],
            at: self.ago(20 + (n * n * n) as i64 * 45),
            opens_session: [4, 9].contains(&n),
        });
        ready(Some(Visitor {
            id: id.into(),
            anonymous: false,
            first_seen: self.ago(900_000),
            last_seen: self.ago(20),
            sessions: 6,
            counters: vec![("view", 1_041), ("add_to_cart", 12), ("purchase", 3)],
            spent: vec!["1,241.30 USD".into(), "20.00 GBP".into()],
            linked: vec!["ck-9a8b7c".into()],
            is_linked: false,
            history: history.collect(),
        }))
    }

    fn recommend<'a>(&'a self, _: &'a Visitor, limit: usize) -> Answered<'a, Slate> {
        let reasons = [
            "because of AirPods with charging case, which they viewed",
            "popular in smartphone",
            "new in the catalogue",
        ];
        let items = (0..limit).map(|n| SlateItem {
            card: card(n + 2),
            score: 0.831 / (1.0 + n as f64 * 0.13),
            source: ["covisit", "category_popular", "new_arrivals"][n % 3].into(),
            reason: reasons[n % 3].into(),
        });
        ready(Slate {
            slate_id: "01JNABCDEFGHJKMNPQRSTVWX00".into(),
            generation: 0,
            items: items.collect(),
        })
    }

    fn why<'a>(&'a self, slate_id: &'a str) -> Answered<'a, Option<Why>> {
        ready((slate_id != "gone").then(|| why(slate_id, self.ago(4))))
    }

    fn products<'a>(
        &'a self,
        find: &'a str,
        _: Option<&'a str>,
        _: usize,
    ) -> Answered<'a, ProductList> {
        let count = if self.empty { 0 } else { SHOP.len() };
        let lines = (0..count).map(|n| self.line(n));
        let found = lines.filter(|line| line.card.shown_as.to_lowercase().contains(find));
        ready(ProductList {
            lines: found.collect(),
            next: find.is_empty().then(|| "5100816".to_owned()),
            partial: false,
        })
    }

    fn set_ban<'a>(&'a self, product_id: &'a str, banned: bool) -> Answered<'a, ProductLine> {
        let Some(n) = SHOP.iter().position(|row| row.0 == product_id) else {
            let error = SourceError::NotFound(format!("product {product_id}"));
            return Box::pin(std::future::ready(Err(error)));
        };
        let mut all = self.banned.lock().unwrap();
        all.retain(|id| id != product_id);
        if banned {
            all.push(product_id.to_owned());
        }
        drop(all);
        ready(self.line(n))
    }

    fn dead_letters(&self, _: Option<u64>, _: usize) -> Answered<'_, Vec<Letter>> {
        let count = if self.empty { 0 } else { 5 };
        let codes = ["unknown_event_type", "missing_field", "out_of_range"];
        let letters = (0..count).map(|n| Letter {
            offset: 36 - n as u64,
            at: self.ago(n as i64 * 700 + 12),
            source: ["POST /v1/events", "import:events.csv"][n % 2].into(),
            code: codes[n % 3].into(),
            field: ["event_type", "product_id", ""][n % 3].into(),
            detail: "\"stare\" is none of view, click, impression, add_to_cart".into(),
            attempts: 1,
            text: format!(
                "{{\"event_type\":\"stare\",\"user_id\":\"u{n}\",\"product_id\":\"{HOSTILE}\"}}"
            ),
            bytes: 118,
        });
        ready(letters.collect())
    }

    fn stream(&self, limit: usize) -> Answered<'_, StreamStatus> {
        ready(super::fake_stream::status(self, limit))
    }

    fn system(&self) -> Answered<'_, SystemStatus> {
        if self.empty {
            return ready(SystemStatus::default());
        }
        let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned(), String::new());
        let block = |title: &str, facts| FactBlock {
            title: title.into(),
            facts,
        };
        let stage = |name: &str, topic: &str| Stage {
            name: name.into(),
            topic: topic.into(),
            partitions: (0..32).map(partition).collect(),
        };
        ready(SystemStatus {
            ready: true,
            facts: vec![
                block(
                    "Process",
                    vec![fact("Version", "0.1.0"), fact("Uptime", "2 h 14 min")],
                ),
                block(
                    "Storage",
                    vec![fact("Log", "412 MiB"), fact("State", "88 MiB")],
                ),
            ],
            stages: vec![
                stage("user-stage", "user-events"),
                stage("product-stage", "product-signals"),
            ],
        })
    }
}

fn partition(n: u16) -> StagePartition {
    let end = 31_000 + u64::from(n) * 137;
    StagePartition {
        partition: n,
        start: 0,
        end,
        published: (n != 30).then_some(end),
        applied: end - u64::from(n % 9 == 4),
    }
}

fn why(slate_id: &str, at: EventTime) -> Why {
    let scored = (0..11).map(|n| {
        let parts = vec![
            0.52 / (1.0 + n as f64 * 0.2),
            0.21 - n as f64 * 0.01,
            0.08,
            0.0,
            -0.03,
        ];
        Candidate {
            card: card(n),
            sources: vec![("covisit".into(), 0.9), ("popular".into(), 0.4)],
            reason: "because of AirPods with charging case, which they viewed".into(),
            score: parts.iter().sum(),
            parts,
            rank: n + 1,
            place: [Some(1), Some(3), Some(2), Some(4), None, Some(5)]
                .get(n)
                .copied()
                .flatten(),
        }
    });
    let tally = |name: &str, proposed, shown| SourceTally {
        name: name.into(),
        proposed,
        shown,
    };
    let filter = |name: &str, cards: std::ops::Range<usize>| FilterTally {
        name: name.into(),
        removed: cards.map(card).collect(),
    };
    Why {
        slate_id: slate_id.into(),
        visitor_id: Some("541312140".into()),
        placement: "home".into(),
        at,
        generation: 0,
        in_full: true,
        sources: vec![
            tally("recently_viewed", 4, 0),
            tally("covisit", 12, 5),
            tally("popular", 20, 2),
        ],
        filters: vec![
            filter("already_purchased", 4..6),
            filter("banned", 0..0),
            filter("out_of_stock", 1..9),
        ],
        part_names: ["recall", "affinity", "popularity", "freshness", "seen"]
            .map(String::from)
            .into(),
        scored: scored.collect(),
    }
}
