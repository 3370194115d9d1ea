//! Steps that the scheduler grants: a caller stops before each and goes on when it is polled.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;
use vitrina_ports::PortFuture;
use vitrina_ports::broker::Pace;

/// Stops at every step, once, and says before which step everybody stands.
#[derive(Default)]
pub(super) struct StepByStep {
    stands: Mutex<BTreeMap<u32, &'static str>>,
}

impl StepByStep {
    /// The step that `who` takes next.
    pub(super) fn stands(&self, who: u32) -> Option<&'static str> {
        self.stands.lock().get(&who).copied()
    }
}

impl Pace for StepByStep {
    fn step(&self, who: u32, what: &'static str) -> PortFuture<'_, ()> {
        Box::pin(async move {
            self.stands.lock().insert(who, what);
            stop().await;
            Ok(())
        })
    }
}

/// Stops once: pending when it is polled first, ready when it is polled again.
pub(super) async fn stop() {
    let mut has_stopped = false;
    poll_fn(|_| {
        if has_stopped {
            return Poll::Ready(());
        }
        has_stopped = true;
        Poll::Pending
    })
    .await;
}
