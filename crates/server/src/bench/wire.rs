//! One keep-alive HTTP/1.1 connection of the load generator.

use super::BenchError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to the server under test.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Wire {
    /// Connects to `host` (`127.0.0.1:port`).
    pub(super) async fn connect(host: &str) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends with an error when the server is killed, which some benchmarks do on purpose.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            host: host.to_owned(),
        })
    }

    /// One request, one whole answer.
    pub(super) async fn call(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), BenchError> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.host)
            .header("content-type", content_type)
            .body(Full::new(body))
            .map_err(|error| BenchError::Subject(error.to_string()))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }

    /// `GET`, expecting 200.
    pub(super) async fn get(&mut self, path: &str) -> Result<Bytes, BenchError> {
        let (status, body) = self
            .call(Method::GET, path, "application/json", Bytes::new())
            .await?;
        expect(status, StatusCode::OK, &body)?;
        Ok(body)
    }

    /// `POST` of events, expecting 202. When the server says that it has enough, the events are
    /// sent again a little later, as a client does: what is measured is what it takes in.
    pub(super) async fn events(&mut self, ndjson: Bytes) -> Result<Bytes, BenchError> {
        const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
        loop {
            let (status, body) = self
                .call(
                    Method::POST,
                    "/v1/events",
                    "application/x-ndjson",
                    ndjson.clone(),
                )
                .await?;
            if status == StatusCode::TOO_MANY_REQUESTS {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            expect(status, StatusCode::ACCEPTED, &body)?;
            return Ok(body);
        }
    }
}

fn expect(status: StatusCode, wanted: StatusCode, body: &[u8]) -> Result<(), BenchError> {
    if status == wanted {
        return Ok(());
    }
    let body = String::from_utf8_lossy(body);
    let shown: String = body.chars().take(300).collect();
    Err(BenchError::Subject(format!("answered {status}: {shown}")))
}
