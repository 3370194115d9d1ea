//! Everything from JSON lines to rows: every stage, durable; and whether the work an event takes
//! grows with the shop.

use super::BenchError;
use super::figure::{Figure, Good};
use super::import::import;
use super::made::{Dialect, Shop};
use std::path::Path;

/// 150,000 events/s: 13 µs of two cores an event for parsing, log, every stage and its state.
const RATE_MIN: f64 = 150_000.0;
/// The largest shop's rate is at least this part of the smallest one's.
const FLAT_MIN: f64 = 0.5;
const EVENTS: u64 = 1_000_000;
/// Different users, and as many products.
const SIZES: [(u64, &str); 3] = [
    (1_000, "1,000"),
    (100_000, "100,000"),
    (10_000_000, "10,000,000"),
];

/// Events/s of a whole import into an empty directory.
fn rate(scratch: &Path, users: u64, products: u64) -> Result<f64, BenchError> {
    let shop = Shop {
        users,
        products,
        dialect: Dialect::Api,
    };
    let place = scratch.join(format!("{users}-{products}"));
    let files = shop.write(EVENTS, 1, &place.join("events"))?;
    let mut seconds = 0.0;
    for file in &files {
        seconds += import(file, &place.join("data"))?;
    }
    std::fs::remove_dir_all(&place)?;
    Ok(EVENTS as f64 / seconds)
}

pub(super) async fn run(scratch: &Path) -> Result<Vec<Figure>, BenchError> {
    let compared = Shop::COMPARED;
    let mut figures = vec![
        Figure::new(
            "whole topology",
            rate(scratch, compared.users, compared.products)?,
            "events/s",
            Good::AtLeast,
            RATE_MIN,
        )
        .note("1,000,000 JSON lines of 500,000 users and 50,000 products, durable and applied"),
    ];
    let mut smallest = None;
    for (size, text) in SIZES {
        let rate = rate(scratch, size, size)?;
        let least = FLAT_MIN * *smallest.get_or_insert(rate);
        let name = format!("whole topology, {text} users and as many products");
        figures.push(Figure::new(&name, rate, "events/s", Good::AtLeast, least));
    }
    Ok(figures)
}
