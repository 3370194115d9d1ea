//! Addresses of one server or of a cluster, as a person writes them.

use redis::{ConnectionInfo, IntoConnectionInfo};
use vitrina_ports::PortError;

/// Addresses given at most; the other nodes of a cluster are found from any of them.
const ADDRESSES_MAX: usize = 64;

const EXPECTED: &str = "redis://host:port, rediss://host:port (TLS), \
     redis-cluster://host:port,host:port or rediss-cluster://host:port,host:port (TLS)";

/// Where to connect to.
pub(crate) struct Address {
    /// One server, or some nodes of the cluster; never empty.
    pub(crate) nodes: Vec<ConnectionInfo>,
    pub(crate) is_cluster: bool,
}

/// Reads an address as [`RedisOptions::address`](crate::RedisOptions::address) describes it.
///
/// # Errors
/// `Invalid`, without the address: it may hold a password.
pub(crate) fn parse(text: &str) -> Result<Address, PortError> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.len() > ADDRESSES_MAX {
        return Err(PortError::TooLarge {
            what: "Redis addresses",
            got: parts.len(),
            limit: ADDRESSES_MAX,
        });
    }
    let mut is_cluster = parts.len() > 1;
    let (mut scheme, mut credentials) = ("", "");
    let mut nodes = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let rest = match part.split_once("://") {
            Some((own, rest)) => {
                let base = own.strip_suffix("-cluster");
                is_cluster |= base.is_some();
                scheme = base.unwrap_or(own);
                rest
            }
            None => part,
        };
        let host = match rest.rsplit_once('@') {
            Some((own, host)) => {
                credentials = own;
                host
            }
            None => rest,
        };
        if !matches!(scheme, "redis" | "rediss") {
            return Err(refused(at));
        }
        let url = match credentials {
            "" => format!("{scheme}://{host}"),
            _ => format!("{scheme}://{credentials}@{host}"),
        };
        nodes.push(url.into_connection_info().map_err(|_| refused(at))?);
    }
    Ok(Address { nodes, is_cluster })
}

fn refused(at: usize) -> PortError {
    PortError::Invalid {
        what: format!("Redis address number {}", at + 1),
        expected: EXPECTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        #[rustfmt::skip]
        let cases: &[(&str, bool, &[&str], &str)] = &[
            ("redis://a:1",                         false, &["a:1"],                 ""),
            ("redis://a",                           false, &["a:6379"],              ""),
            ("rediss://a:1",                        false, &["a:1"],                 ""),
            ("redis://u:p@a:1/2",                   false, &["a:1"],                 "p"),
            ("redis-cluster://a:1",                 true,  &["a:1"],                 ""),
            ("redis-cluster://u:p@a:1,b:2",         true,  &["a:1", "b:2"],          "p"),
            ("rediss-cluster://a:1, b:2",           true,  &["a:1", "b:2"],          ""),
            ("redis://:p@a:1,redis://b:2,[::1]:3",  true,  &["a:1", "b:2", "::1:3"], "p"),
        ];
        for (text, is_cluster, want, password) in cases {
            let read = parse(text).unwrap();
            assert_eq!(read.is_cluster, *is_cluster, "{text}");
            let nodes: Vec<String> = read.nodes.iter().map(|n| n.addr().to_string()).collect();
            assert_eq!(nodes, *want, "{text}");
            for node in &read.nodes {
                let found = node.redis_settings().password().unwrap_or("");
                assert_eq!(found, *password, "{text}");
                let is_tls = matches!(node.addr(), redis::ConnectionAddr::TcpTls { .. });
                assert_eq!(is_tls, text.starts_with("rediss"), "{text}");
            }
        }
    }

    #[test]
    fn a_refused_address_is_not_repeated_for_it_may_hold_a_password() {
        let many = format!("redis://{}", vec!["a"; ADDRESSES_MAX + 1].join(","));
        for text in [
            "",
            "a:1",
            "http://secret@a",
            "redis://secret@",
            "redis://secret@a:x",
            &many,
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
