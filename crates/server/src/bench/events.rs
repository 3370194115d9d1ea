//! Events of the load: REES46-like visitors and products from a seeded generator.

use std::fmt::Write;

/// Visitors of the load.
pub(super) const VISITORS: u64 = 20_000;
/// Products of the scaled catalogue.
pub(super) const PRODUCTS: u64 = 100_000;

/// SplitMix64 of `seed`: the same number on every machine.
pub(super) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The product of event `number`: skewed, so that some are looked at far more than others (the
/// square of a uniform number: the best tenth of products gets a third of the views).
pub(super) fn product(number: u64) -> u64 {
    let uniform = (mix(number ^ 0x5eed) >> 11) as f64 / (1u64 << 53) as f64;
    (uniform * uniform * PRODUCTS as f64) as u64
}

/// The visitor of event `number`.
pub(super) fn visitor(number: u64) -> u64 {
    mix(number) % VISITORS
}

/// Appends event `number` as a line of JSON. 98 % views, 1 % carts, 1 % purchases, as in REES46.
pub(super) fn line(number: u64, out: &mut String) {
    let kind = match mix(number ^ 0xc0de) % 100 {
        0 => "purchase",
        1 => "add_to_cart",
        _ => "view",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{{\"event_id\":\"b{number}\",\"event_type\":\"{kind}\",\"user_id\":\"v{}\",\"product_id\":\"p{}\",\"price\":{}.99}}",
        visitor(number),
        product(number),
        1 + mix(number) % 900,
    );
}
