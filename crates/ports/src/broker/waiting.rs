//! Who waits for news, woken in the order they came.
//!
//! Not a channel of `tokio`: those spread their waiters at random, and a run would not repeat.

use parking_lot::Mutex;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Waiters of one lock.
#[derive(Default)]
pub(super) struct Waiting {
    wakers: Vec<Waker>,
    has_news: bool,
}

impl Waiting {
    /// Somebody may have waited for what was just done.
    pub(super) fn news(&mut self) {
        self.has_news = true;
    }

    fn register(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }

    fn woken(&mut self) -> Vec<Waker> {
        if !std::mem::take(&mut self.has_news) {
            return Vec::new();
        }
        std::mem::take(&mut self.wakers)
    }
}

/// What is behind a lock and has waiters.
pub(super) trait Waited {
    /// Its waiters.
    fn waiting(&mut self) -> &mut Waiting;
}

/// Makes one change, then wakes who waited for it. Outside the lock: a waker may call back.
pub(super) fn change<W: Waited, T>(lock: &Mutex<W>, change: impl FnOnce(&mut W) -> T) -> T {
    let mut inside = lock.lock();
    let done = change(&mut inside);
    let woken = inside.waiting().woken();
    drop(inside);
    for waker in woken {
        waker.wake();
    }
    done
}

/// Waits until `ready` answers something.
pub(super) async fn until<W: Waited, T>(
    lock: &Mutex<W>,
    mut ready: impl FnMut(&W) -> Option<T>,
) -> T {
    poll_fn(|context| {
        let mut inside = lock.lock();
        match ready(&inside) {
            Some(found) => Poll::Ready(found),
            None => {
                inside.waiting().register(context.waker());
                Poll::Pending
            }
        }
    })
    .await
}
