//! Who may do what: API keys.
//!
//! Keys are kept as SHA-256 only, and compared without a branch on their bytes. Without any key
//! configured everybody who reaches the port may do everything, which is why `serve` then binds
//! to this machine only.

use super::problem::Problem;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use sha2::{Digest, Sha256};

/// The cookie that carries a key for the console.
pub const KEY_COOKIE: &str = "vitrina_key";

/// What a key opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Full,
    /// `POST /v1/events` only: for the pages of a shop, where everybody can read it.
    WriteOnly,
}

/// A key that opens the API.
#[derive(Clone)]
pub struct ApiKey {
    digest: [u8; 32],
    scope: Scope,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({:?})", self.scope)
    }
}

impl ApiKey {
    /// The key with this text.
    pub fn new(text: &str, scope: Scope) -> Self {
        Self {
            digest: Sha256::digest(text.as_bytes()).into(),
            scope,
        }
    }

    /// The key whose text has this SHA-256, in hexadecimal; `None` when it is no such number.
    pub fn from_sha256(hex: &str, scope: Scope) -> Option<Self> {
        let hex = hex.as_bytes();
        if hex.len() != 64 || !hex.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { digest, scope })
    }
}

/// What the key with this text opens, if it is one of `keys`. Takes the same time whichever
/// digest it resembles.
pub fn scope_of(keys: &[ApiKey], text: &str) -> Option<Scope> {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut found = None;
    for key in keys {
        let differs = key
            .digest
            .iter()
            .zip(digest)
            .fold(0, |all, (a, b)| all | (a ^ b));
        if std::hint::black_box(differs) == 0 {
            found = Some(key.scope);
        }
    }
    found
}

/// The key a request presents: as a bearer token, in `X-API-Key`, or in the console's cookie.
pub fn presented(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(bearer) = text(AUTHORIZATION.as_str()) {
        let (kind, key) = bearer.split_once(' ')?;
        return kind.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    if let Some(key) = text("x-api-key") {
        return Some(key.trim());
    }
    let pairs = text(COOKIE.as_str())?.split(';').map(str::trim);
    let mut named = pairs.filter_map(|pair| pair.split_once('='));
    named.find(|pair| pair.0 == KEY_COOKIE).map(|pair| pair.1)
}

/// Signs a browser in: a page asked for with a good `?api_key=` is answered with a cookie and the
/// way to the same page without the key, so that the key stays neither in the address nor in the
/// history.
pub fn sign_in(keys: &[ApiKey], method: &Method, uri: &Uri) -> Option<Response> {
    if keys.is_empty() || method != Method::GET || uri.path().starts_with("/v1/") {
        return None;
    }
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, key) = pairs.find(|pair| pair.0 == "api_key")?;
    if scope_of(keys, key) != Some(Scope::Full) {
        return None;
    }
    // Keys are letters, digits and a few signs; others cannot be carried by a cookie.
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !key.bytes().all(safe) {
        return None;
    }
    let cookie = format!("{KEY_COOKIE}={key}; Path=/; HttpOnly; SameSite=Strict");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(SET_COOKIE, HeaderValue::from_str(&cookie).ok()?);
    headers.insert(LOCATION, HeaderValue::from_str(uri.path()).ok()?);
    Some(response)
}

/// Whether this is an event with a write-only key in its address: `navigator.sendBeacon` can set
/// no header. A key that opens more is not taken from there.
pub fn is_beacon(keys: &[ApiKey], method: &Method, uri: &Uri) -> bool {
    let mut pairs = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let key = pairs.find(|pair| pair.0 == "api_key");
    method == Method::POST
        && uri.path() == "/v1/events"
        && key.is_some_and(|(_, key)| scope_of(keys, key) == Some(Scope::WriteOnly))
}

/// Whether a path is open to everybody: what watches the service has no key.
pub fn is_open(path: &str) -> bool {
    path.starts_with("/health/")
}

/// Lets a request pass, or says why not.
///
/// # Errors
/// `401` without a good key, `403` with a write-only key anywhere but at the events.
pub fn admit(
    keys: &[ApiKey],
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if keys.is_empty() || is_open(path) {
        return Ok(());
    }
    let scope = presented(headers).and_then(|text| scope_of(keys, text));
    match scope {
        Some(Scope::Full) => Ok(()),
        Some(Scope::WriteOnly) if method == Method::POST && path == "/v1/events" => Ok(()),
        Some(Scope::WriteOnly) => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "key_not_allowed",
            "this key is for POST /v1/events only",
        )),
        None => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "key_required",
            "send an API key as Authorization: Bearer or X-API-Key; a browser signs in with ?api_key=",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_carries_a_write_only_key_in_its_address_and_no_other() {
        let keys = [
            ApiKey::new("full", Scope::Full),
            ApiKey::new("write", Scope::WriteOnly),
        ];
        #[rustfmt::skip]
        let cases: &[(&str, Method, &str, bool)] = &[
            ("write key",     Method::POST, "/v1/events?api_key=write",   true),
            ("full key",      Method::POST, "/v1/events?api_key=full",    false),
            ("wrong key",     Method::POST, "/v1/events?api_key=nope",    false),
            ("no key",        Method::POST, "/v1/events",                 false),
            ("another route", Method::POST, "/v1/products?api_key=write", false),
            ("a read",        Method::GET,  "/v1/events?api_key=write",   false),
        ];
        for (name, method, uri, want) in cases {
            let uri: Uri = uri.parse().unwrap();
            assert_eq!(is_beacon(&keys, method, &uri), *want, "{name}");
        }
    }

    #[test]
    fn admit_cases() {
        let keys = [
            ApiKey::new("full", Scope::Full),
            ApiKey::new("write", Scope::WriteOnly),
        ];
        #[rustfmt::skip]
        let cases: &[(&str, Method, &str, &[(&str, &str)], Option<u16>)] = &[
            ("none",            Method::GET,  "/v1/products", &[],                                  Some(401)),
            ("wrong",           Method::GET,  "/v1/products", &[("x-api-key", "nope")],             Some(401)),
            ("header",          Method::GET,  "/v1/products", &[("x-api-key", "full")],             None),
            ("bearer",          Method::GET,  "/v1/products", &[("authorization", "bearer full")],  None),
            ("basic",           Method::GET,  "/v1/products", &[("authorization", "Basic full")],   Some(401)),
            ("cookie",          Method::GET,  "/",            &[("cookie", "a=b; vitrina_key=full")], None),
            ("write, events",   Method::POST, "/v1/events",   &[("x-api-key", "write")],            None),
            ("write, products", Method::POST, "/v1/products", &[("x-api-key", "write")],            Some(403)),
            ("write, reading",  Method::GET,  "/v1/events",   &[("x-api-key", "write")],            Some(403)),
            ("health",          Method::GET,  "/health/live", &[],                                  None),
        ];
        for (name, method, path, headers, want) in cases {
            let mut map = HeaderMap::new();
            for (key, value) in *headers {
                let key: axum::http::HeaderName = key.parse().unwrap();
                map.insert(key, value.parse().unwrap());
            }
            let got = admit(&keys, method, path, &map).err();
            assert_eq!(got.map(|p| p.status.as_u16()), *want, "{name}");
            assert!(admit(&[], method, path, &map).is_ok(), "{name}: no keys");
        }
    }

    #[test]
    fn a_browser_signs_in_once() {
        let keys = [
            ApiKey::new("full-1", Scope::Full),
            ApiKey::new("write", Scope::WriteOnly),
        ];
        let at = |uri: &'static str| sign_in(&keys, &Method::GET, &Uri::from_static(uri));
        let response = at("/console/products?api_key=full-1").unwrap();
        assert_eq!(response.headers()[LOCATION], "/console/products");
        let cookie = response.headers()[SET_COOKIE].to_str().unwrap();
        assert_eq!(
            cookie,
            "vitrina_key=full-1; Path=/; HttpOnly; SameSite=Strict"
        );
        for uri in [
            "/",
            "/?api_key=write",
            "/?api_key=x",
            "/v1/status?api_key=full-1",
        ] {
            assert!(at(uri).is_none(), "{uri}");
        }
    }

    #[test]
    fn a_digest_reads_back() {
        let hex = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let key = ApiKey::from_sha256(hex, Scope::Full).unwrap();
        assert_eq!(scope_of(&[key], "foo"), Some(Scope::Full));
        assert!(ApiKey::from_sha256("zz", Scope::Full).is_none());
        assert!(!format!("{:?}", ApiKey::new("secret", Scope::Full)).contains("secret"));
    }
}
