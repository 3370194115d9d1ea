//! The bytes of request bodies that may be in memory at once.
//!
//! Nobody queues for them: a request that finds none left is refused at once, so that neither
//! memory nor waiting grows without bound.

use super::problem::Problem;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units of this many: a semaphore counts to 2^29 on 32-bit machines.
const UNIT_BYTES: usize = 1_024;
/// When a refused request may be tried again.
const RETRY_AFTER_S: u32 = 1;

/// A stock of bytes.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Semaphore>);

impl Budget {
    /// A stock of this many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(UNIT_BYTES))))
    }

    /// An empty share, to be filled as bytes arrive.
    pub fn share(&self) -> Share {
        Share {
            stock: Arc::clone(&self.0),
            held: None,
            units: 0,
            bytes: 0,
        }
    }
}

/// What one request has taken; given back when dropped.
#[derive(Debug)]
pub struct Share {
    stock: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
    units: usize,
    bytes: usize,
}

impl Share {
    /// Takes `more` bytes.
    ///
    /// # Errors
    /// `503` when the stock is used up.
    pub fn take(&mut self, more: usize) -> Result<(), Problem> {
        self.bytes += more;
        let missing = self.bytes.div_ceil(UNIT_BYTES).saturating_sub(self.units);
        if missing == 0 {
            return Ok(());
        }
        let count = u32::try_from(missing).unwrap_or(u32::MAX);
        let permit = Arc::clone(&self.stock)
            .try_acquire_many_owned(count)
            .map_err(|_| {
                let detail = "too many request bodies are being processed at once";
                Problem::busy("overloaded", detail, RETRY_AFTER_S)
            })?;
        self.units += missing;
        match &mut self.held {
            Some(held) => held.merge(permit),
            None => self.held = Some(permit),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_comes_back() {
        let budget = Budget::new(10 * UNIT_BYTES);
        let mut first = budget.share();
        first.take(1).unwrap();
        first.take(UNIT_BYTES - 1).unwrap();
        assert_eq!(budget.0.available_permits(), 9);
        let mut second = budget.share();
        assert_eq!(second.take(10 * UNIT_BYTES).unwrap_err().code, "overloaded");
        drop(first);
        let mut third = budget.share();
        third.take(10 * UNIT_BYTES).unwrap();
        drop(second);
        drop(third);
        assert_eq!(budget.0.available_permits(), 10);
    }
}
