//! Where rows go: an engine in this process, or a running server.

use super::batch::Batch;
use super::wire::{write_bad, write_draft};
use crate::client::{Client, ClientError, NDJSON, encoded};
use crate::door::Door;
use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use vitrina_engine::{Engine, EngineError, RawEvent};
use vitrina_ports::catalogue::Expect;
use vitrina_types::product::Product;

/// How often a busy server is asked again.
const TRIES_MAX: u32 = 60;
/// How long a busy server is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Where rows go.
#[derive(Clone)]
pub enum Target {
    /// An engine in this process.
    Here(Arc<Engine>),
    /// A running server.
    Server(Client),
}

/// A target did not take what it was given.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The engine in this process.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The server.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// A row that was refused.
#[derive(Debug, Clone, Deserialize)]
pub struct Refused {
    /// Its place among the rows sent.
    pub index: usize,
    /// Why, for a program.
    pub code: String,
    /// The field at fault.
    #[serde(default)]
    pub field: String,
    /// Why, for a person.
    #[serde(default)]
    pub detail: String,
}

impl Refused {
    fn new(index: usize, why: &vitrina_types::event::Rejection) -> Self {
        Self {
            index,
            code: why.code.to_string(),
            field: why.field.to_string(),
            detail: why.detail.clone(),
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Taken {
    /// Rows accepted.
    #[serde(default)]
    pub accepted: u64,
    /// The others.
    #[serde(default)]
    pub rejected: Vec<Refused>,
}

#[derive(Deserialize)]
struct PositionAnswer {
    position: Option<u64>,
}

impl From<&Door> for Target {
    fn from(door: &Door) -> Self {
        match door {
            Door::Here(service) => Self::Here(Arc::clone(&service.engine)),
            Door::Server(client) => Self::Server(client.clone()),
        }
    }
}

impl Target {
    /// How far the import of `source` has come.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn position(&self, source: &str) -> Result<Option<u64>, TargetError> {
        match self {
            Self::Here(engine) => Ok(engine.import_position(source).await?),
            Self::Server(client) => {
                let path = format!("/v1/imports/{}", encoded(source));
                let answer: PositionAnswer = client.get(&path).await?.json()?;
                Ok(answer.position)
            }
        }
    }

    /// Takes in a batch of `source` and moves its position, in one step.
    ///
    /// # Errors
    /// [`TargetError`]; nothing of the batch was taken in, or all of it and the answer was lost.
    pub async fn import(
        &self,
        source: &str,
        expected: Option<u64>,
        mut batch: Batch,
    ) -> Result<Taken, TargetError> {
        // What we could not read ourselves we can name better than a server that gets the bytes.
        let own: Vec<Option<Refused>> = (0..batch.events.len())
            .map(|index| batch.refusal(index).map(|why| Refused::new(index, why)))
            .collect();
        let mut taken = match self {
            Self::Here(engine) => {
                let events = std::mem::take(&mut batch.events);
                let receipt = engine.import(source, expected, batch.next, events).await?;
                let rejected = receipt.rejected.iter();
                Taken {
                    accepted: receipt.accepted as u64,
                    rejected: rejected
                        .map(|r| Refused::new(r.index, &r.rejection))
                        .collect(),
                }
            }
            Self::Server(client) => {
                let place = expected
                    .map(|at| format!("expected={at}&"))
                    .unwrap_or_default();
                let path = format!("/v1/imports/{}?{place}next={}", encoded(source), batch.next);
                send(client, &path, lines(&batch.events)).await?
            }
        };
        for refused in &mut taken.rejected {
            if let Some(Some(own)) = own.get(refused.index) {
                *refused = own.clone();
            }
        }
        Ok(taken)
    }

    /// Writes products, whatever is there. Answers those refused.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn put_products(&self, products: Vec<Product>) -> Result<Vec<Refused>, TargetError> {
        match self {
            Self::Here(engine) => {
                let all = products
                    .into_iter()
                    .map(|product| (product, Expect::Any))
                    .collect();
                engine.put_products(all, false).await?;
                Ok(Vec::new())
            }
            Self::Server(client) => {
                let mut body = Vec::new();
                for product in &products {
                    let line = serde_json::to_string(product);
                    let line = line.map_err(|e| ClientError::Unexpected(e.to_string()))?;
                    body.extend_from_slice(line.as_bytes());
                    body.push(b'\n');
                }
                // One line alone would be read as one product, which this route does not take.
                if products.len() == 1 {
                    body = [b"[".as_slice(), body.trim_ascii_end(), b"]"].concat();
                    let path = "/v1/products:batch";
                    let json = crate::client::JSON;
                    let reply = client.call(Method::POST, path, json, body.into()).await?;
                    return Ok(reply.json::<Taken>()?.rejected);
                }
                Ok(send(client, "/v1/products:batch", body).await?.rejected)
            }
        }
    }

    /// Waits until everything taken in so far is applied. A server is left to do that by itself.
    pub async fn settled(&self) {
        if let Self::Here(engine) = self {
            engine.settled().await;
        }
    }
}

fn lines(events: &[RawEvent]) -> Vec<u8> {
    let mut out = Vec::with_capacity(events.len() * 256);
    for event in events {
        match event {
            RawEvent::Draft(draft, _) => write_draft(draft, &mut out),
            RawEvent::Bad(_, bytes) | RawEvent::Json(bytes) => write_bad(bytes, &mut out),
        }
    }
    out
}

/// Sends lines; a server that is busy is asked again for a minute.
async fn send(client: &Client, path: &str, body: Vec<u8>) -> Result<Taken, ClientError> {
    let body = Bytes::from(body);
    let mut tries = 0;
    loop {
        let reply = client
            .call(Method::POST, path, NDJSON, body.clone())
            .await?;
        tries += 1;
        let is_busy = matches!(
            reply.status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        if !is_busy || tries >= TRIES_MAX {
            return reply.json();
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
