//! Against real sockets: clients that say nothing, too many of them, and an orderly end.

use super::*;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// After this long a wait has failed.
const DEADLINE: Duration = Duration::from_secs(20);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: here\r\n\r\n";

struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

async fn start(routes: Router, connections_max: usize, header_read_max: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let stopped = async move {
        let _ = stopped.await;
    };
    let ended = serve(listener, routes, connections_max, header_read_max, stopped);
    Server {
        address,
        stop,
        ended: tokio::spawn(ended),
    }
}

fn hello() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

/// What comes until the other side is silent for good or has said `until`.
async fn heard(stream: &mut TcpStream, until: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 1_024];
    while !text.contains(until) {
        let read = tokio::time::timeout(DEADLINE, stream.read(&mut bytes));
        match read.await.expect("something or the end") {
            Ok(0) | Err(_) => break,
            Ok(read) => text.push_str(&String::from_utf8_lossy(&bytes[..read])),
        }
    }
    text
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_headers_is_let_go() {
    let server = start(hello(), 1, Duration::from_millis(100)).await;
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    slow.write_all(b"GET / HT").await.unwrap();
    // There is one seat: the next is served once the slow one is gone.
    let mut next = TcpStream::connect(server.address).await.unwrap();
    next.write_all(REQUEST).await.unwrap();
    assert!(heard(&mut next, "hello").await.contains("200 OK"));
    assert!(!heard(&mut slow, "hello").await.contains("200 OK"));
}

#[tokio::test]
async fn one_too_many_waits_for_a_seat() {
    let server = start(hello(), 1, DEADLINE).await;
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(REQUEST).await.unwrap();
    heard(&mut first, "hello").await;
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(REQUEST).await.unwrap();
    let mut byte = [0];
    // The first one is answered again and again; nobody has read from the second.
    for _ in 0..20 {
        first.write_all(REQUEST).await.unwrap();
        heard(&mut first, "hello").await;
        let early = second.try_read(&mut byte);
        assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    drop(first);
    assert!(heard(&mut second, "hello").await.contains("200 OK"));
}

#[tokio::test]
async fn what_was_begun_is_answered_before_the_end() {
    let (entered, mut was_entered) = tokio::sync::mpsc::channel(1);
    let (leave, left) = tokio::sync::watch::channel(false);
    let slow = move || {
        let (entered, mut left) = (entered.clone(), left.clone());
        async move {
            entered.send(()).await.unwrap();
            left.wait_for(|left| *left).await.unwrap();
            "at last"
        }
    };
    let server = start(Router::new().route("/", get(slow)), 8, DEADLINE).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    was_entered.recv().await.unwrap();
    server.stop.send(()).unwrap();
    leave.send_replace(true);
    assert!(heard(&mut client, "at last").await.contains("200 OK"));
    let ended = tokio::time::timeout(DEADLINE, server.ended);
    ended.await.expect("the end").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_server_that_is_given_up_cuts_its_connections() {
    let (entered, mut was_entered) = tokio::sync::mpsc::channel(1);
    let stuck = move || {
        let entered = entered.clone();
        async move {
            entered.send(()).await.unwrap();
            std::future::pending::<&str>().await
        }
    };
    let server = start(Router::new().route("/", get(stuck)), 8, DEADLINE).await;
    let mut client = TcpStream::connect(server.address).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    was_entered.recv().await.unwrap();
    server.stop.send(()).unwrap();
    server.ended.abort();
    assert_eq!(heard(&mut client, "never").await, "");
}
