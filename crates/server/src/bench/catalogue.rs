//! The REES46 catalogue scaled to 100,000 products, written into the server under test.

use super::BenchError;
use super::events::{PRODUCTS, mix};
use super::wire::Wire;
use bytes::Bytes;
use hyper::Method;
use std::fmt::Write;

/// Products in one request.
const BATCH: u64 = 5_000;
/// Category codes and brands of REES46, by count.
const CATEGORIES: u64 = 119;
const BRANDS: u64 = 1_434;

/// Writes all products.
pub(super) async fn fill(host: &str) -> Result<(), BenchError> {
    let mut wire = Wire::connect(host).await?;
    for first in (0..PRODUCTS).step_by(BATCH as usize) {
        let mut body = String::new();
        for number in first..(first + BATCH).min(PRODUCTS) {
            // Writing to a String cannot fail.
            let _ = writeln!(
                body,
                "{{\"product_id\":\"p{number}\",\"category_path\":[\"c{}\",\"c{}\"],\"brand\":\"brand {}\",\"price\":{}.99,\"currency\":\"USD\"}}",
                mix(number) % 13,
                mix(number) % CATEGORIES,
                mix(number ^ 7) % BRANDS,
                1 + mix(number) % 900,
            );
        }
        let path = "/v1/products:batch";
        let (status, answer) = wire
            .call(
                Method::POST,
                path,
                "application/x-ndjson",
                Bytes::from(body),
            )
            .await?;
        if !status.is_success() {
            let shown = String::from_utf8_lossy(&answer);
            return Err(BenchError::Subject(format!("products: {status}: {shown}")));
        }
    }
    Ok(())
}
