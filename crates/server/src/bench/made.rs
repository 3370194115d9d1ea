//! Files of made events: what `vitrina bench events` writes, for anybody to compare systems on.
//!
//! The law: a line depends on its number and the shape of the shop alone, so the files are the
//! same on every machine. No operation in it is rounded otherwise than IEEE 754 asks.

use super::BenchError;
use super::events::mix;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// First event time: 2026-01-05 10:00 UTC, in ms.
const BEGIN_MS: u64 = 1_767_607_200_000;
/// From the first event to the last, in ms of event time.
const SPAN_MS: u64 = 5 * 3_600_000;
/// An event is told so much later than it happened at most, in ms.
const DELAY_MS_MAX: u64 = 4_000;
/// Prime and above every number of products, so that multiplying by it mixes them.
const SPREAD: u64 = 2_654_435_761;
const CATEGORIES: [&str; 12] = [
    "home.kitchen",
    "home.garden",
    "home.office",
    "fashion.shoes",
    "fashion.women",
    "fashion.men",
    "electronics.phone",
    "electronics.audio",
    "electronics.video",
    "sports.outdoor",
    "toys.games",
    "books.novels",
];

/// Which fields a line has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Those of common dumps, as stream processors are compared on: numbers as ids, `ts` in ms.
    Dump,
    /// Those of our API.
    Api,
}

/// A shop whose events are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shop {
    pub(super) users: u64,
    pub(super) products: u64,
    pub(super) dialect: Dialect,
}

impl Shop {
    /// The shop that `bench/flink/README.md` describes.
    pub(super) const COMPARED: Self = Self {
        users: 500_000,
        products: 50_000,
        dialect: Dialect::Dump,
    };

    /// Writes `count` events to `parts` files of `directory`: each user's into one of them, in
    /// the order in which they were told. Answers the files.
    pub(super) fn write(
        self,
        count: u64,
        parts: u64,
        directory: &Path,
    ) -> Result<Vec<PathBuf>, BenchError> {
        std::fs::create_dir_all(directory)?;
        let paths: Vec<PathBuf> = (0..parts)
            .map(|part| directory.join(format!("events-{part}.jsonl")))
            .collect();
        let mut files = Vec::new();
        for path in &paths {
            files.push(BufWriter::with_capacity(1 << 20, File::create(path)?));
        }
        let ranks = Zipf::new(self.products);
        let mut line = String::new();
        for number in 0..count {
            line.clear();
            let user = self.line(number, count, &ranks, &mut line);
            files[(user % parts) as usize].write_all(line.as_bytes())?;
        }
        for mut file in files {
            file.flush()?;
        }
        Ok(paths)
    }

    /// The lines of all `count` events, `batch` of them together.
    pub(super) fn batches(self, count: u64, batch: u64) -> Vec<String> {
        let ranks = Zipf::new(self.products);
        let firsts = (0..count).step_by(batch.max(1) as usize);
        let lines = firsts.map(|first| {
            let mut lines = String::new();
            for number in first..count.min(first + batch) {
                self.line(number, count, &ranks, &mut lines);
            }
            lines
        });
        lines.collect()
    }

    /// Appends event `number` of `count`; answers its user.
    fn line(self, number: u64, count: u64, ranks: &Zipf, out: &mut String) -> u64 {
        let draw = |what: u64| mix(mix(number) ^ (what << 56));
        let user = draw(1) % self.users + 1;
        let product = ranks.draw(draw(2)) * SPREAD % self.products + 1;
        let told = u128::from(number) * u128::from(SPAN_MS) / u128::from(count.max(1));
        let at = BEGIN_MS + (told as u64).saturating_sub(draw(3) % (DELAY_MS_MAX + 1));
        let (kind, api_kind) = match draw(4) % 100 {
            0..80 => ("view", "view"),
            80..92 => ("cart", "add_to_cart"),
            92..97 => ("purchase", "purchase"),
            _ => ("wishlist", "wishlist"),
        };
        let of_product = mix(product ^ 0xca7e);
        let category = CATEGORIES[(of_product % CATEGORIES.len() as u64) as usize];
        let cents = 499 + (of_product >> 20) % 50_000;
        let (units, rest) = (cents / 100, cents % 100);
        let quantity = [1, 1, 1, 1, 2, 3][(draw(5) % 6) as usize];
        // Writing to a String cannot fail.
        let _ = match self.dialect {
            Dialect::Dump => {
                let device = ["mobile", "desktop", "tablet"][(draw(6) % 3) as usize];
                let (visit, page) = (user * 64 + number % 4, draw(7) % 1_000);
                writeln!(
                    out,
                    "{{\"event_id\":\"e{number:010}\",\"ts\":{at},\"user_id\":{user},\"session_id\":\"s{visit:08x}\",\"type\":\"{kind}\",\"product_id\":{product},\"category\":\"{category}\",\"price\":{units}.{rest:02},\"qty\":{quantity},\"device\":\"{device}\",\"referrer\":\"/c/{page}\"}}"
                )
            }
            Dialect::Api => {
                let seconds = (at / 1_000 - BEGIN_MS / 1_000) as i64;
                let (hour, minute, second) =
                    (10 + seconds / 3_600, seconds / 60 % 60, seconds % 60);
                let ms = at % 1_000;
                writeln!(
                    out,
                    "{{\"event_id\":\"e{number:010}\",\"event_time\":\"2026-01-05T{hour:02}:{minute:02}:{second:02}.{ms:03}Z\",\"user_id\":\"u{user}\",\"event_type\":\"{api_kind}\",\"product_id\":\"p{product}\",\"price\":{units}.{rest:02},\"quantity\":{quantity}}}"
                )
            }
        };
        user
    }
}

/// Ranks from 0 on, rank r as often as 1 / (r + 1) says.
struct Zipf {
    /// Sums of the weights up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    fn new(count: u64) -> Self {
        let weights = (1..=count).map(|rank| 1.0 / rank as f64);
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self {
            sums: sums.collect(),
        }
    }

    fn draw(&self, random: u64) -> u64 {
        let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
        let wanted = uniform * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|sum| *sum <= wanted) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// What `bench/flink/README.md` says of the events, counted in the files.
    #[test]
    fn made_events_are_as_described() {
        let directory = tempfile::tempdir().unwrap();
        let files = Shop::COMPARED.write(20_000, 2, directory.path()).unwrap();
        let (mut kinds, mut bytes) = (BTreeMap::<String, u64>::new(), 0);
        let mut newest = [0; 2];
        for (part, path) in files.iter().enumerate() {
            let text = std::fs::read_to_string(path).unwrap();
            bytes += text.len();
            for line in text.lines() {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                let number = |field: &str| event[field].as_u64().unwrap();
                assert_eq!(number("user_id") % 2, part as u64);
                assert!((1..=50_000).contains(&number("product_id")));
                newest[part] = number("ts").max(newest[part]);
                assert!(newest[part] - number("ts") <= DELAY_MS_MAX, "{line}");
                *kinds
                    .entry(event["type"].as_str().unwrap().to_owned())
                    .or_default() += 1;
            }
        }
        assert!((200..220).contains(&(bytes / 20_000)), "{bytes}");
        let shares = [("view", 80), ("cart", 12), ("purchase", 5), ("wishlist", 3)];
        for (kind, percent) in shares {
            let got = kinds[kind] as f64 / 200.0;
            assert!((got - f64::from(percent)).abs() < 1.0, "{kind}: {got} %");
        }
    }
}
