//! A line to a server that holds requests back, swallows answers and is cut.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Everything goes through.
    Open,
    /// Requests wait in the line.
    Held,
    /// The next answer is lost, and its connection with it.
    Swallowing,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

struct Line {
    mode: watch::Sender<Mode>,
    /// Connections of an earlier age are cut.
    age: watch::Sender<u64>,
}

impl Proxy {
    /// Listens on `port`, any with 0, and leads to a server on `to`.
    pub(crate) async fn start(port: u16, to: u16) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind(address).await.unwrap();
        let line = Arc::new(Line {
            mode: watch::Sender::new(Mode::Open),
            age: watch::Sender::new(0),
        });
        Self {
            port: listener.local_addr().unwrap().port(),
            accepting: tokio::spawn(accept(listener, to, Arc::clone(&line))),
            line,
        }
    }

    pub(crate) fn hold(&self) {
        self.line.mode.send_replace(Mode::Held);
    }

    pub(crate) fn release(&self) {
        self.line.mode.send_replace(Mode::Open);
    }

    pub(crate) fn swallow_one(&self) {
        self.line.mode.send_replace(Mode::Swallowing);
    }

    pub(crate) fn cut(&self) {
        self.line.age.send_modify(|age| *age += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: u16, line: Arc<Line>) {
    while let Ok((client, _)) = listener.accept().await {
        let line = Arc::clone(&line);
        tokio::spawn(async move {
            let mut age = line.age.subscribe();
            let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = requests(from_client, to_server, &line) => {}
                () = answers(from_server, to_client, &line) => {}
                _ = age.changed() => {}
            }
        });
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) {
    let mut mode = line.mode.subscribe();
    let mut chunk = vec![0; 65_536];
    while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
        if mode.wait_for(|&mode| mode != Mode::Held).await.is_err() {
            return;
        }
        if to.write_all(&chunk[..bytes]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, line: &Line) {
    let mut chunk = vec![0; 65_536];
    while let Ok(bytes @ 1..) = from.read(&mut chunk).await {
        let is_lost = line.mode.send_if_modified(|mode| {
            let is_lost = *mode == Mode::Swallowing;
            *mode = if is_lost { Mode::Open } else { *mode };
            is_lost
        });
        if is_lost || to.write_all(&chunk[..bytes]).await.is_err() {
            return;
        }
    }
}
