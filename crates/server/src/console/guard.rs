//! What keeps a console in a browser safe: the headers of every page, and the rule that only our
//! own pages may change anything.
//!
//! The policy allows scripts and styles from our own files only, so markup that slipped through
//! could not run. A write must come from a page of the same host: browsers put `Origin` on every
//! form and script request and no page can forge it, so no token needs to be kept.

use super::layout;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

/// The policy of every page.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; font-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

const SEAL: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Not `no-referrer`: that would blank the Origin of our own forms.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Puts the headers of a page on an answer.
pub async fn seal_page(mut response: Response) -> Response {
    for (name, value) in SEAL {
        response.headers_mut().insert(name, value);
    }
    response
}

/// Refuses writes that do not come from a page of this host.
pub async fn refuse_foreign_writes(request: Request, next: Next) -> Response {
    let reads = request.method().is_safe();
    let authority = request.uri().authority().map(|a| a.as_str().to_owned());
    if reads || is_own(request.headers(), authority.as_deref()) {
        return next.run(request).await;
    }
    layout::problem(
        StatusCode::FORBIDDEN,
        "This change was refused",
        "it did not come from a page of this console",
        "Open the console itself and try again. Behind a proxy, let it pass the Host header on.",
    )
}

/// Whether a write comes from a page of this host. `authority` is the one of the request line,
/// which HTTP/2 sends instead of `Host`.
fn is_own(headers: &HeaderMap, authority: Option<&str>) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|v| v.to_str().ok());
    let site = headers.get("sec-fetch-site");
    let Some((_, origin)) = text(&ORIGIN).and_then(|origin| origin.split_once("://")) else {
        return false;
    };
    let host = text(&HOST).or(authority);
    site.is_none_or(|site| site == "same-origin")
        && host.is_some_and(|host| host.eq_ignore_ascii_case(origin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_may_write() {
        #[rustfmt::skip]
        let cases: &[(&str, Option<&str>, Option<&str>, bool)] = &[
            ("own page",        Some("http://127.0.0.1:8000"), Some("same-origin"), true),
            ("older browser",   Some("http://127.0.0.1:8000"), None,                true),
            ("other port",      Some("http://127.0.0.1:9000"), None,                false),
            ("other site",      Some("https://evil.example"),  Some("cross-site"),  false),
            ("prefix of ours",  Some("http://127.0.0.1:80"),   None,                false),
            ("privacy origin",  Some("null"),                  None,                false),
            ("no origin",       None,                          None,                false),
            ("odd fetch site",  Some("http://127.0.0.1:8000"), Some("same-site"),   false),
        ];
        for (name, origin, site, want) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8000"));
            for (key, value) in [("origin", origin), ("sec-fetch-site", site)] {
                if let Some(value) = value {
                    headers.insert(key, value.parse().unwrap());
                }
            }
            assert_eq!(is_own(&headers, None), *want, "{name}");
        }
    }
}
