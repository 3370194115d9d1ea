//! Where a simulation may stop a caller: between any two steps of it.

use crate::PortFuture;

/// Decides when a call goes on.
///
/// Every call of a seat, a reader and a state handle awaits one step before it does anything, and
/// those whose answer can be lost one more between the effect and the answer. A scheduler yields
/// here, or drops the future: then the caller has crashed, before or after the effect. An error
/// answered here becomes that of the call, without effect or with its outcome unknown.
pub trait Pace: Send + Sync {
    /// Resolves when `who` may go on with `what`.
    ///
    /// # Errors
    /// What the call shall answer.
    fn step(&self, who: u32, what: &'static str) -> PortFuture<'_, ()>;
}

/// Goes on at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct FreePace;

impl Pace for FreePace {
    fn step(&self, _who: u32, _what: &'static str) -> PortFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
