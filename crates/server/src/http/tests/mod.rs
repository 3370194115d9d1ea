//! The whole face over an engine on stores in memory.

mod answering;
mod catalogue;
mod intake;
mod over_topics;
mod rows;
mod shop;
mod watching;

use super::{App, HttpOptions};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tower::ServiceExt;
use vitrina_engine::{Engine, EngineOptions, Ports};
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::log::{Append, Bounds, Consumed, Consumer, EventLog, LogRecord, Offset};
use vitrina_ports::state::memory::MemoryState;
use vitrina_ports::{PortError, PortFuture};
use vitrina_types::partition::Partition;
use vitrina_types::time::IngestTime;
use vitrina_types::topic::Topic;

/// A response, read to its end.
struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Response {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("{error}: {}", String::from_utf8_lossy(&self.body));
        })
    }

    /// Checks that it is a problem with this status and code.
    fn is_problem(&self, status: u16, code: &str, name: &str) {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status.as_u16(), status, "{name}: {body}");
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{name}"
        );
        let problem = self.json();
        assert_eq!(problem["code"], code, "{name}: {body}");
        assert_eq!(problem["status"], status, "{name}");
    }
}

/// A service and its engine.
struct Service {
    router: Router,
    engine: Arc<Engine>,
    app: App,
    full: Arc<AtomicBool>,
}

impl Service {
    async fn start() -> Self {
        Self::with(HttpOptions::default()).await
    }

    async fn with(options: HttpOptions) -> Self {
        let full = Arc::new(AtomicBool::new(false));
        let log = FullLog {
            inner: MemoryLog::new(),
            full: Arc::clone(&full),
        };
        let ports = Ports {
            log: Arc::new(log),
            state: Arc::new(MemoryState::new()),
            ..Ports::in_memory()
        };
        let clock = Arc::new(|| IngestTime(1_800_000_000_000));
        let engine = Engine::start(ports, EngineOptions::default(), clock)
            .await
            .unwrap();
        let app = App::new(Arc::clone(&engine), options);
        let pages = Router::new().route("/panic", axum::routing::get(panics));
        Self {
            router: super::router(app.clone(), pages),
            engine,
            app,
            full,
        }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Response {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes().to_vec(),
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.call(Method::POST, path, body).await
    }

    async fn post_as(&self, path: &str, content_type: &str, body: impl Into<Body>) -> Response {
        let request = Request::post(path).header("content-type", content_type);
        self.send(request.body(body.into()).unwrap()).await
    }
}

async fn panics() -> &'static str {
    panic!("a secret of the house")
}

/// A log whose disk can be filled.
struct FullLog {
    inner: MemoryLog,
    full: Arc<AtomicBool>,
}

impl EventLog for FullLog {
    fn append(&self, appends: Vec<Append>) -> PortFuture<'_, Vec<Offset>> {
        if self.full.load(Ordering::Relaxed) {
            return Box::pin(async {
                Err(PortError::Full {
                    port: "log",
                    free_bytes: 0,
                    reserve_bytes: 1,
                })
            });
        }
        self.inner.append(appends)
    }

    fn publish(
        &self,
        appends: Vec<Append>,
        consumed: Vec<Consumed>,
        durable: bool,
    ) -> PortFuture<'_, Vec<Offset>> {
        self.inner.publish(appends, consumed, durable)
    }

    fn read(
        &self,
        topic: Topic,
        partition: Partition,
        from: Offset,
        bytes_max: usize,
    ) -> PortFuture<'_, Vec<LogRecord>> {
        self.inner.read(topic, partition, from, bytes_max)
    }

    fn bounds(&self, topic: Topic, partition: Partition) -> Bounds {
        self.inner.bounds(topic, partition)
    }

    fn committed<'a>(&'a self, consumer: &'a Consumer) -> PortFuture<'a, Option<Offset>> {
        self.inner.committed(consumer)
    }

    fn changed(&self, seen: u64) -> PortFuture<'_, u64> {
        self.inner.changed(seen)
    }
}
