//! Settings of the HTTP face, with their defaults.

use super::auth::ApiKey;
use std::time::Duration;

/// Bytes of request bodies, compressed and decompressed, that may be in memory at once.
pub const BODY_BYTES_IN_FLIGHT: usize = 64 * 1_024 * 1_024;
/// A request that has no answer after this long gets `503`.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of the HTTP face.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Keys that open the API. Without any, everybody who reaches the port may do everything.
    pub keys: Vec<ApiKey>,
    /// Origins of other sites whose pages may call the API, `https://shop.example`. None by
    /// default.
    pub cors_origins: Vec<String>,
    /// Whether only this machine is served and nobody needs a key: then requests must name this
    /// machine as their host. A page of another site whose name was made to lead here does not.
    pub is_local_only: bool,
    /// Bytes of request bodies in memory at once, above which requests are refused with `503`.
    pub body_bytes_in_flight: usize,
    /// A request that has no answer after this long gets `503`. Streams are not cut.
    pub request_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            cors_origins: Vec::new(),
            is_local_only: false,
            body_bytes_in_flight: BODY_BYTES_IN_FLIGHT,
            request_timeout: REQUEST_TIMEOUT,
        }
    }
}
