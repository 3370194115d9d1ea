//! A small HTTP client: for the command line talking to a running server.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Bytes of an answer that are read.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// Longest wait for a whole answer.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Content type of one JSON value.
pub const JSON: &str = "application/json";
/// Content type of JSON values, one a line.
pub const NDJSON: &str = "application/x-ndjson";

/// A call gave no answer, or not the one it was made for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is none.
    #[error("\"{0}\" is no http:// address")]
    Address(String),
    /// Nobody answered.
    #[error("{url} does not answer: {detail}")]
    Unreachable {
        /// The server.
        url: String,
        /// What happened.
        detail: String,
    },
    /// The server refused.
    #[error("{detail} ({status}, {code})")]
    Refused {
        /// The status.
        status: u16,
        /// The stable code.
        code: String,
        /// The sentence.
        detail: String,
    },
    /// The answer is not what was agreed.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

impl ClientError {
    /// Whether the thing asked for does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What a server answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

/// The part of a problem that a person is told.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    title: String,
    detail: Option<String>,
}

impl Reply {
    /// This reply if it is a good one.
    ///
    /// # Errors
    /// `Refused`, with what the server said.
    pub fn good(self) -> Result<Self, ClientError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let status = self.status.as_u16();
        Err(match serde_json::from_slice::<Problem>(&self.body) {
            Ok(problem) => ClientError::Refused {
                status,
                code: problem.code,
                detail: problem.detail.unwrap_or(problem.title),
            },
            Err(_) => ClientError::Unexpected(format!("status {status} without a problem")),
        })
    }

    /// The body of a good reply as a value.
    ///
    /// # Errors
    /// `Refused`; `Unexpected` when the body is something else.
    pub fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let body = self.good()?.body;
        serde_json::from_slice(&body).map_err(|error| ClientError::Unexpected(error.to_string()))
    }
}

/// Calls one server.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    url: String,
    key: Option<HeaderValue>,
}

impl Client {
    /// A client of the server at `url` (`http://127.0.0.1:8000`), with an API key where it needs
    /// one.
    ///
    /// # Errors
    /// `Address` when `url` is not an `http://` one; `Unexpected` for a key no header can carry.
    pub fn new(url: &str, key: Option<&str>) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/');
        let uri: Uri = url
            .parse()
            .map_err(|_| ClientError::Address(url.to_owned()))?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(ClientError::Address(url.to_owned()));
        }
        let bearer = key
            .map(|key| HeaderValue::from_str(&format!("Bearer {key}")))
            .transpose();
        let mut key = bearer
            .map_err(|_| ClientError::Unexpected("the API key holds odd letters".to_owned()))?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Self {
            pool: Pool::builder(TokioExecutor::new()).build_http(),
            url: url.to_owned(),
            key,
        })
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// One call, one whole answer, whatever its status.
    ///
    /// # Errors
    /// `Unreachable` when there is none in time.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Reply, ClientError> {
        let unreachable = |detail: String| ClientError::Unreachable {
            url: self.url.clone(),
            detail,
        };
        let uri = format!("{}{path}", self.url);
        let mut request = Request::builder().method(method).uri(uri);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| ClientError::Unexpected(error.to_string()))?;
        let answered = async {
            let response = self
                .pool
                .request(request)
                .await
                .map_err(|e| unreachable(reason(&e)))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
                .collect()
                .await;
            let body = body
                .map_err(|error| unreachable(error.to_string()))?
                .to_bytes();
            Ok(Reply { status, body })
        };
        match tokio::time::timeout(ANSWER_WAIT, answered).await {
            Ok(reply) => reply,
            Err(_) => Err(unreachable(format!(
                "no answer in {} s",
                ANSWER_WAIT.as_secs()
            ))),
        }
    }

    /// `GET`.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.call(Method::GET, path, JSON, Bytes::new()).await
    }
}

/// The innermost cause: the outer ones say only that a request failed.
fn reason(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// Percent-encodes one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_cases() {
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:8000",  true),
            ("http://127.0.0.1:8000/", true),
            ("https://shop.example",   false),
            ("127.0.0.1:8000",         false),
            ("not a url",              false),
        ];
        for (url, good) in cases {
            assert_eq!(Client::new(url, None).is_ok(), good, "{url}");
        }
        assert!(Client::new("http://localhost", Some("a\nb")).is_err());
    }

    #[test]
    fn every_odd_byte_is_encoded() {
        assert_eq!(encoded("u-1.~_"), "u-1.~_");
        assert_eq!(encoded("a b/é"), "a%20b%2F%C3%A9");
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let body = r#"{"title":"Not found","code":"no_slate","detail":"no slate with this id"}"#;
        let reply = Reply {
            status: StatusCode::NOT_FOUND,
            body: Bytes::from_static(body.as_bytes()),
        };
        let error = reply.good().unwrap_err();
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "no slate with this id (404, no_slate)");
    }
}
