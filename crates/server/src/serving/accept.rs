//! Taking connections: so many at once, each with bounded patience.

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// A client that has not sent the headers of its next request after so long is let go: connections
/// are few, and whoever sends a byte a second would hold them all.
pub(super) const HEADER_READ_MAX: Duration = Duration::from_secs(30);

/// Serves `routes` to at most `connections_max` connections at once until `stopped` resolves, and
/// then until every request that was begun is answered. Further connections wait in the queue of
/// the system until one ends. Dropped before that, it cuts all of them.
pub(super) async fn serve(
    mut listener: TcpListener,
    routes: Router,
    connections_max: usize,
    header_read_max: Duration,
    stopped: impl Future<Output = ()>,
) {
    let seats = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(header_read_max);
    let mut stopped = pin!(stopped);
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            (seat, Listener::accept(&mut listener).await)
        };
        let (seat, (stream, address)) = tokio::select! {
            next = next => next,
            Some(_) = connections.join_next() => continue,
            () = &mut stopped => break,
        };
        // An answer leaves at once, not when the next one fills the packet.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY not set");
        }
        let routes = routes.clone();
        let answer = hyper::service::service_fn(move |request| answer(&routes, address, request));
        let served = http.serve_connection(TokioIo::new(stream), answer);
        let served = graceful.watch(served);
        connections.spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection ended badly");
            }
            drop(seat);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The answer of `routes` to a client at `address`.
fn answer(
    routes: &Router,
    address: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response, Infallible>> + use<> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(address));
    routes.clone().oneshot(request)
}

#[cfg(test)]
mod tests;
