//! The way to an engine: a server that runs, or one opened here on the data directory.
//!
//! Both are spoken to in the HTTP API, so that a command is written once.

use crate::client::{Client, ClientError, JSON, Reply};
use crate::config::Settings;
use crate::ports::{OpenError, has_data, is_shared};
use crate::service::Service;
use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HOST};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tower::ServiceExt;

/// Name of the file by which a server says where it is.
pub const ADDRESS_FILE: &str = "server.json";

/// Longest wait for a sign of life.
const ALIVE_WAIT: Duration = Duration::from_secs(2);

/// What a server says of itself in its data directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Where it listens, as a client on this machine reaches it.
    pub url: String,
    /// Its process.
    pub pid: u32,
}

impl Address {
    /// What is written in `data_dir`, if anything.
    pub fn read(data_dir: &Path) -> Option<Self> {
        let text = std::fs::read(data_dir.join(ADDRESS_FILE)).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

/// What a command needs of a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It reads: there must be something.
    Existing,
    /// It writes: an empty one is begun.
    Any,
    /// It writes and asks for nothing: what answers need is not kept meanwhile.
    Stream,
}

/// The way to an engine.
pub enum Door {
    /// A server that runs.
    Server(Client),
    /// An engine in this process.
    Here(Box<Service>),
}

impl Door {
    /// To the server at `url`.
    ///
    /// # Errors
    /// When `url` is none.
    pub fn to_server(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        Client::new(url, key).map(Self::Server)
    }

    /// To the server that runs on the data directory, else to an engine opened on it.
    ///
    /// # Errors
    /// [`OpenError`], with what to do.
    pub async fn open(
        settings: &Settings,
        key: Option<&str>,
        need: Need,
    ) -> Result<Self, OpenError> {
        if let Some(client) = running(&settings.data_dir, key).await {
            return Ok(Self::Server(client));
        }
        let is_new = !is_shared(settings) && !has_data(&settings.data_dir);
        if need == Need::Existing && is_new {
            return Err(OpenError::NoData(settings.data_dir.clone()));
        }
        let service = Service::open_alone(settings, need != Need::Stream).await?;
        // What was accepted before a crash is applied before anybody asks.
        service.engine.settled().await;
        Ok(Self::Here(Box::new(service)))
    }

    /// One call of the HTTP API.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let service = match self {
            Self::Server(client) => return client.call(method, path, content_type, body).await,
            Self::Here(service) => service,
        };
        let unexpected = |error: &dyn std::fmt::Display| ClientError::Unexpected(error.to_string());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "127.0.0.1")
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .map_err(|error| unexpected(&error))?;
        let response = match service.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let status = response.status();
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| unexpected(&error))?;
        Ok(Reply {
            status,
            body: body.to_bytes(),
        })
    }

    /// `GET`, and the answer as a value.
    ///
    /// # Errors
    /// As [`Self::call`]; when the server refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, JSON, Bytes::new())
            .await?
            .json()
    }

    /// Ends it; an engine opened here writes its state and closes.
    ///
    /// # Errors
    /// When a store could not be closed cleanly.
    pub async fn close(self) -> Result<(), OpenError> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Here(service) => service.close().await,
        }
    }
}

/// A client of the server that runs on `data_dir`, if one answers.
pub async fn running(data_dir: &Path, key: Option<&str>) -> Option<Client> {
    let address = Address::read(data_dir)?;
    // Nobody holds the directory: the file was left by a server that was killed, and whoever
    // answers at its address now is somebody else.
    if crate::ports::hold(data_dir).is_ok() {
        return None;
    }
    let client = Client::new(&address.url, key).ok()?;
    let asked = tokio::time::timeout(ALIVE_WAIT, client.get("/health/live"));
    let alive = asked.await.ok()?.ok()?;
    alive.status.is_success().then_some(client)
}
