//! Free loopback ports that stay free while their service is down.

use anyhow::{Result, bail};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below what Linux gives to outgoing connections (from 32768): a service that is started again
/// finds its port free.
const RANGE: Range<u16> = 20_000..30_000;

/// Spreads the first tries of processes whose ids follow each other.
const STRIDE: u32 = 97;

/// `count` ports that nobody listens on now, none of them `taken`.
///
/// # Errors
/// When the range has not so many.
pub(super) fn free(count: usize, taken: &[u16]) -> Result<Vec<u16>> {
    let span = RANGE.end - RANGE.start;
    // Two checkouts that come up at once begin at different places; below `span`, so it fits.
    let first = (std::process::id().wrapping_mul(STRIDE) % u32::from(span)) as u16;
    let mut found = Vec::new();
    for step in 0..span {
        if found.len() == count {
            return Ok(found);
        }
        let port = RANGE.start + (first + step) % span;
        let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if !taken.contains(&port) && is_free() {
            found.push(port);
        }
    }
    bail!("fewer than {count} of the ports {RANGE:?} are free; end what listens there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_are_distinct_and_neither_taken_nor_listened_on() {
        let before = free(3, &[]).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, before[0])).unwrap();
        let after = free(3, &before[1..2]).unwrap();
        assert!(!after.contains(&before[0]), "listened on by {listener:?}");
        assert!(!after.contains(&before[1]), "taken");
        let mut distinct = after.clone();
        distinct.dedup();
        assert_eq!(distinct.len(), 3, "{after:?}");
    }
}
