//! Serving HTTP until told to stop, and saying where.

mod accept;

use crate::door::{ADDRESS_FILE, Address};
use crate::files::write_whole;
use crate::service::Service;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Routes being served.
pub struct Serving {
    /// Where, as a client on this machine reaches it.
    pub url: String,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
    ticker: Option<JoinHandle<()>>,
    address_file: PathBuf,
}

impl Serving {
    /// Serves `service` on `listener`, to so many connections at once, and says so in `data_dir`.
    ///
    /// # Errors
    /// When the address cannot be written.
    pub async fn start(
        service: &mut Service,
        listener: TcpListener,
        data_dir: &Path,
        connections_max: usize,
    ) -> io::Result<Self> {
        let url = url_of(listener.local_addr()?);
        let (stop, stopped) = watch::channel(false);
        let ticker = service.ticker.take().map(|ticker| {
            let stopped = until(stopped.clone());
            tokio::spawn(ticker.run(stopped))
        });
        let (routes, stopped) = (service.router.clone(), until(stopped));
        let patience = accept::HEADER_READ_MAX;
        let server = accept::serve(listener, routes, connections_max, patience, stopped);
        let server = tokio::spawn(server);
        let address_file = data_dir.join(ADDRESS_FILE);
        let address = Address {
            url: url.clone(),
            pid: std::process::id(),
        };
        write_whole(&address_file, &serde_json::to_vec(&address)?)?;
        Ok(Self {
            url,
            stop,
            server,
            ticker,
            address_file,
        })
    }

    /// Stops taking connections, and waits for those that are there, at most `deadline`.
    pub async fn stop(mut self, deadline: Duration) {
        self.stop.send_replace(true);
        // Whoever looks for a server from here on must not find this one.
        if let Err(error) = std::fs::remove_file(&self.address_file) {
            tracing::warn!(%error, "{ADDRESS_FILE} could not be removed");
        }
        if let Some(ticker) = self.ticker.take() {
            let _ = tokio::time::timeout(deadline, ticker).await;
        }
        match tokio::time::timeout(deadline, &mut self.server).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "serving ended badly"),
            Err(_) => {
                tracing::warn!("connections were cut after the deadline");
                self.server.abort();
            }
        }
    }
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender has gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// How a client on this machine reaches a listening address.
pub fn url_of(address: SocketAddr) -> String {
    let mut reached = address;
    if address.ip().is_unspecified() {
        reached.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{reached}")
}

/// Resolves at the first SIGINT or SIGTERM. A second one ends the process at once.
///
/// # Errors
/// When signals cannot be heard.
pub fn signal() -> io::Result<impl Future<Output = &'static str>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    Ok(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::warn!("told twice, ending at once; nothing acknowledged is lost");
            std::process::exit(1);
        });
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_cases() {
        #[rustfmt::skip]
        let cases = [
            ("127.0.0.1:8000",    "http://127.0.0.1:8000"),
            ("0.0.0.0:80",        "http://127.0.0.1:80"),
            ("[::]:80",           "http://[::1]:80"),
            ("192.168.0.7:8000",  "http://192.168.0.7:8000"),
        ];
        for (address, want) in cases {
            assert_eq!(url_of(address.parse().unwrap()), want);
        }
    }
}
