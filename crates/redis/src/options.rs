//! Where Redis is, and how long it may take.

use std::fmt;
use std::time::Duration;

/// Where Redis is, and how long it may take.
#[derive(Clone)]
pub struct RedisOptions {
    /// One server: `redis://user:password@host:port/database`, with TLS `rediss://…`.
    /// A cluster: `redis-cluster://user:password@a:port,b:port`, with TLS `rediss-cluster://…`; a
    /// list `redis://a,redis://b` is a cluster as well. A few nodes are enough, the others are
    /// found; an address without credentials takes those before it. At most 64 addresses.
    /// With TLS, certificates are trusted that the system trusts, or those of the file that the
    /// environment variable `SSL_CERT_FILE` names.
    pub address: String,
    /// Begins every key, so that several shops share a server: at most 128 bytes without braces.
    /// `vitrina:` by default. Changing it means starting with empty state.
    pub prefix: String,
    /// How long a connection may take to be made; 2 s by default.
    pub connect_timeout: Duration,
    /// How long one call may take, with everything the client does to be answered: reconnecting,
    /// following a moved slot. 5 s by default. When it is over, the call is `Unavailable`.
    pub response_timeout: Duration,
}

impl RedisOptions {
    /// The defaults for an address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            prefix: "vitrina:".to_owned(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(5),
        }
    }
}

/// Without the address, which may hold a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish_non_exhaustive()
    }
}
