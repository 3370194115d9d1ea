//! What the suites of all ports share: how they open an adapter, run, wait and report.
//!
//! This is test code that adapters in other crates call, so it panics where a test would. It
//! never sleeps: whatever is waited for has a deadline, and the deadline is only met by failure.

use crate::{PortError, PortFuture};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// After this long a wait has failed. Generous: a real service on a busy machine is slow.
const DEADLINE: Duration = Duration::from_secs(20);

/// A place in which a suite opens an adapter, empty at first.
pub trait Subject {
    /// The adapter.
    type Port: Send + Sync + 'static;

    /// Opens the adapter. When [`is_durable`](Self::is_durable), a second opening, after the
    /// first port was dropped, finds what the first one left.
    fn open(&self) -> PortFuture<'_, Self::Port>;

    /// Stops a port in order, as far as the adapter knows such a thing.
    fn close<'a>(&'a self, port: &'a Self::Port) -> PortFuture<'a, ()> {
        let _ = port;
        Box::pin(async { Ok(()) })
    }

    /// Whether a second opening finds what the first one left.
    fn is_durable(&self) -> bool;

    /// Whether offsets of an event log have gaps, because transactions leave markers behind.
    fn has_gaps(&self) -> bool {
        false
    }
}

/// A [`Subject`] that forgets: every opening is empty.
pub struct Volatile<F>(pub F);

impl<P, F> Subject for Volatile<F>
where
    P: Send + Sync + 'static,
    F: Fn() -> P + Send + Sync,
{
    type Port = P;

    fn open(&self) -> PortFuture<'_, P> {
        Box::pin(async { Ok((self.0)()) })
    }

    fn is_durable(&self) -> bool {
        false
    }
}

/// A [`Subject`] that keeps: opened at the same place each time, closed with the second function.
pub struct Durable<F, C>(pub F, pub C);

impl<P, F, C> Subject for Durable<F, C>
where
    P: Send + Sync + 'static,
    F: Fn() -> Result<P, PortError> + Send + Sync,
    C: Fn(&P) -> Result<(), PortError> + Send + Sync,
{
    type Port = P;

    fn open(&self) -> PortFuture<'_, P> {
        Box::pin(async { (self.0)() })
    }

    fn close<'a>(&'a self, port: &'a P) -> PortFuture<'a, ()> {
        Box::pin(async { (self.1)(port) })
    }

    fn is_durable(&self) -> bool {
        true
    }
}

/// The value, or a failed test that says what was tried.
#[track_caller]
pub fn ok<T>(result: Result<T, PortError>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what}: {error}"),
    }
}

/// The error, or a failed test that says what should have been refused.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, PortError>, what: &str) -> PortError {
    match result {
        Ok(value) => panic!("{what}: not refused, answered {value:?}"),
        Err(error) => error,
    }
}

/// Runs one test of a suite.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    match built {
        Ok(runtime) => runtime.block_on(test),
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// What `future` resolves to, or a failed test after the deadline.
pub async fn within_deadline<T>(future: impl Future<Output = T>, what: &str) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing happened within {DEADLINE:?}"),
    }
}

/// Polls once and says whether the future still waits. It must be awaited afterwards.
pub fn still_waits<T>(future: &mut PortFuture<'_, T>) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    matches!(Pin::as_mut(future).poll(&mut context), Poll::Pending)
}

/// Opens the port of a subject.
pub async fn opened<S: Subject>(subject: &S) -> S::Port {
    ok(subject.open().await, "open")
}

/// Closes the port and opens it again; the same port when the subject is not durable.
pub async fn reopened<S: Subject>(subject: &S, port: S::Port) -> S::Port {
    if !subject.is_durable() {
        return port;
    }
    ok(subject.close(&port).await, "close");
    drop(port);
    opened(subject).await
}

/// Expands to one `#[test]` for each named function of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ($port:ident, $subject:expr, [$($name:ident),+ $(,)?]) => {$(
        #[test]
        fn $name() {
            let subject = $subject;
            $crate::suite::block_on($crate::$port::suite::$name(&subject));
        }
    )+};
}
