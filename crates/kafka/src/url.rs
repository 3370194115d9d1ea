//! Options written as an address:
//! `kafka://user:password@host:port,host:port/prefix?replication=3&min_insync=2&tls=on`.

use crate::options::{KafkaOptions, Mechanism, Sasl, Tls};
use std::path::PathBuf;
use std::time::Duration;
use url::form_urlencoded;
use vitrina_ports::PortError;

/// What an address may look like.
const EXPECTED: &str = "kafka://[user:password@]host:port[,host:port…][/prefix][?replication, min_insync, partitions, \
     member, retention_days, request_timeout_ms, transaction_timeout_ms, session_timeout_ms, commit_interval_ms, tls=on|off, ca, certificate, \
     key, sasl=plain|scram-sha-256|scram-sha-512]";
/// Longest prefix: a topic's name has 249 bytes at most.
const PREFIX_BYTES_MAX: usize = 128;

/// The fault, without what may be a password.
fn invalid(what: impl Into<String>) -> PortError {
    PortError::Invalid {
        what: what.into(),
        expected: EXPECTED,
    }
}

/// `%41` as `A`; a plus sign is one.
fn decoded(text: &str) -> String {
    let escaped = text
        .replace('+', "%2B")
        .replace('&', "%26")
        .replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map_or(String::new(), |(key, _)| key.into_owned())
}

impl KafkaOptions {
    /// The options of an address. What it does not name is as by default.
    ///
    /// # Errors
    /// `Invalid` with what is not understood; a password is never repeated.
    pub fn from_url(text: &str) -> Result<Self, PortError> {
        let rest = text
            .strip_prefix("kafka://")
            .ok_or_else(|| invalid("an address that does not begin with kafka://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) = match authority.rsplit_once('@') {
            Some((login, hosts)) => (Some(login), hosts),
            None => (None, authority),
        };
        let mut options = Self {
            bootstrap: bootstrap(hosts)?,
            prefix: checked_prefix(prefix)?,
            ..Self::default()
        };
        if let Some(login) = login {
            let (username, password) = login
                .split_once(':')
                .ok_or_else(|| invalid("a user without a password"))?;
            options.security.sasl = Some(Sasl {
                mechanism: Mechanism::ScramSha512,
                username: decoded(username),
                password: decoded(password),
            });
        }
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            options.set(&key, &value)?;
        }
        options.checked()
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), PortError> {
        let wrong = || invalid(format!("{key}={value}"));
        let number = || value.parse::<u16>().map_err(|_| wrong());
        let millis = || {
            value
                .parse()
                .map(Duration::from_millis)
                .map_err(|_| wrong())
        };
        match key {
            "replication" => self.replication = number()?,
            "min_insync" => self.min_insync = number()?,
            "partitions" => self.partitions = number()?,
            "member" => self.member = value.to_owned(),
            "retention_days" => {
                self.retention = Duration::from_secs(u64::from(number()?) * 24 * 60 * 60);
            }
            "request_timeout_ms" => self.request_timeout = millis()?,
            "transaction_timeout_ms" => self.transaction_timeout = millis()?,
            "session_timeout_ms" => self.session_timeout = millis()?,
            "commit_interval_ms" => self.commit_interval = Some(millis()?),
            "tls" if value == "off" => self.security.tls = None,
            "tls" if value == "on" => {
                self.security.tls.get_or_insert_default();
            }
            "ca" => self.security.tls.get_or_insert_default().ca = Some(PathBuf::from(value)),
            "certificate" | "key" => {
                let pair = &mut self.security.tls.get_or_insert(Tls::default()).certificate;
                let (certificate, its_key) = pair.get_or_insert_default();
                let path = if key == "key" { its_key } else { certificate };
                *path = PathBuf::from(value);
            }
            "sasl" => {
                let mechanism = match value {
                    "plain" => Mechanism::Plain,
                    "scram-sha-256" => Mechanism::ScramSha256,
                    "scram-sha-512" => Mechanism::ScramSha512,
                    _ => return Err(wrong()),
                };
                let sasl = self.security.sasl.as_mut();
                sasl.ok_or_else(|| invalid("sasl without a user"))?
                    .mechanism = mechanism;
            }
            _ => return Err(invalid(format!("setting \"{key}\""))),
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, PortError> {
        let whole = self
            .security
            .tls
            .as_ref()
            .and_then(|tls| tls.certificate.as_ref());
        let is_half = whole.is_some_and(|(certificate, key)| {
            certificate.as_os_str().is_empty() || key.as_os_str().is_empty()
        });
        #[rustfmt::skip]
        let rules = [
            (self.partitions == 0,                "partitions=0"),
            (self.replication == 0,               "replication=0"),
            (self.min_insync == 0,                "min_insync=0"),
            (self.min_insync > self.replication,  "min_insync above replication"),
            (self.member.is_empty() || self.member.len() > 64, "member of other than 1 to 64 bytes"),
            (self.request_timeout.is_zero(),      "request_timeout_ms=0"),
            (self.transaction_timeout < Duration::from_secs(1), "transaction_timeout_ms below 1000"),
            (self.commit_interval() >= self.transaction_timeout, "commit_interval_ms not below transaction_timeout_ms"),
            (is_half,                             "a certificate without its key, or the reverse"),
        ];
        match rules.iter().find(|(is_broken, _)| *is_broken) {
            Some((_, what)) => Err(invalid(*what)),
            None => Ok(self),
        }
    }
}

fn bootstrap(hosts: &str) -> Result<String, PortError> {
    let is_host = |host: &str| {
        host.rsplit_once(':').is_some_and(|(name, port)| {
            !name.is_empty() && port.parse::<u16>().is_ok_and(|p| p > 0)
        })
    };
    if hosts.split(',').all(is_host) {
        return Ok(hosts.to_owned());
    }
    Err(invalid(format!("brokers \"{hosts}\"")))
}

fn checked_prefix(prefix: &str) -> Result<String, PortError> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if prefix.len() <= PREFIX_BYTES_MAX && prefix.chars().all(is_taken) {
        return Ok(prefix.to_owned());
    }
    Err(invalid(format!("prefix \"{prefix}\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_everything() {
        let options = KafkaOptions::from_url(
            "kafka://rec:p%40ss+1=&@a:9092,b:9093/shop-a.?replication=3&min_insync=2&sasl=scram-sha-256\
             &ca=/etc/ca.pem&member=api-1&transaction_timeout_ms=5000&commit_interval_ms=70",
        )
        .unwrap();
        assert_eq!(options.bootstrap, "a:9092,b:9093");
        assert_eq!(options.prefix, "shop-a.");
        assert_eq!((options.replication, options.min_insync), (3, 2));
        assert_eq!(options.partitions, 32);
        assert_eq!(options.member, "api-1");
        assert_eq!(options.transaction_timeout, Duration::from_secs(5));
        assert_eq!(options.commit_interval(), Duration::from_millis(70));
        let many = KafkaOptions::from_url("kafka://a:1?partitions=64").unwrap();
        assert_eq!(many.commit_interval(), Duration::from_millis(200));
        assert_eq!(
            KafkaOptions::default().commit_interval(),
            Duration::from_millis(50)
        );
        let sasl = options.security.sasl.as_ref().unwrap();
        assert_eq!(sasl.mechanism, Mechanism::ScramSha256);
        assert_eq!(
            (sasl.username.as_str(), sasl.password.as_str()),
            ("rec", "p@ss+1=&")
        );
        let ca = options.security.tls.as_ref().unwrap().ca.as_ref();
        assert_eq!(ca, Some(&PathBuf::from("/etc/ca.pem")));
        assert!(
            !format!("{options:?}").contains("p@ss"),
            "a password is not shown"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        #[rustfmt::skip]
        let cases: &[(&str, &str)] = &[
            ("redis://a:1",                        "does not begin"),
            ("kafka://",                           "brokers"),
            ("kafka://a",                          "brokers"),
            ("kafka://a:9092,b",                   "brokers"),
            ("kafka://a:0",                        "brokers"),
            ("kafka://a:1/with space",             "prefix"),
            ("kafka://u@a:1",                      "user without a password"),
            ("kafka://a:1?replication=x",          "replication=x"),
            ("kafka://a:1?min_insync=2",           "min_insync above replication"),
            ("kafka://a:1?acks=0",                 "setting \"acks\""),
            ("kafka://a:1?sasl=plain",             "sasl without a user"),
            ("kafka://a:1?tls=maybe",              "setting \"tls\""),
            ("kafka://a:1?certificate=c.pem",      "without its key"),
            ("kafka://a:1?transaction_timeout_ms=1", "transaction_timeout_ms below"),
        ];
        for (text, want) in cases {
            let error = KafkaOptions::from_url(text).expect_err(text).to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
        let secret = KafkaOptions::from_url("kafka://u:geheim@a").unwrap_err();
        assert!(!secret.to_string().contains("geheim"), "{secret}");
    }
}
