//! What a console must not let happen: markup from data, scripts in pages, writes from elsewhere,
//! stale or unknown assets.

use super::fake::{Fake, HOSTILE};
use super::{PAGES, console, get, send};
use crate::console::guard::POLICY;
use axum::body::Body;
use axum::http::{Request, StatusCode};

#[tokio::test]
async fn what_the_shop_writes_never_becomes_markup() {
    let (router, _, _) = console(Fake::busy());
    let mut met = 0;
    for path in PAGES {
        let (_, _, html) = get(&router, path).await;
        assert!(!html.contains("<img"), "{path}: markup from a title");
        assert!(!html.contains("<b>x"), "{path}: markup from a category");
        assert!(!html.contains(HOSTILE), "{path}: the title as written");
        met += usize::from(html.contains("&#60;img") || html.contains("&lt;img"));
    }
    assert!(met >= 5, "the hostile title was shown on {met} pages only");
    let quoted = "/console/visitor?id=%22%3E%3Cscript%3Ealert(1)%3C/script%3E";
    let (_, _, html) = get(&router, quoted).await;
    assert!(!html.contains("<script>alert"), "markup from a parameter");
}

#[tokio::test]
async fn every_page_is_sealed() {
    let (router, _, _) = console(Fake::busy());
    let problems = [
        "/console/nothing-here",
        "/console/slate/gone",
        "/console/visitor?id=nobody",
    ];
    for path in PAGES.into_iter().chain(problems) {
        let (status, headers, html) = get(&router, path).await;
        let found = if problems.contains(&path) {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::OK
        };
        assert_eq!(status, found, "{path}");
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .unwrap_or("")
        };
        assert_eq!(header("content-security-policy"), POLICY, "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert!(!POLICY.contains("unsafe"));
        assert!(
            !html.contains(" style=\"") && !html.contains("<style"),
            "{path}: inline style"
        );
        for script in html.split("<script").skip(1) {
            let (open, rest) = script.split_once('>').unwrap();
            assert!(
                open.contains("src=\"/console/assets/"),
                "{path}: foreign script"
            );
            assert!(rest.starts_with("</script>"), "{path}: inline script");
        }
        for event in [
            " onclick=",
            " onload=",
            " onsubmit=",
            " hx-on",
            "javascript:",
        ] {
            assert!(!html.contains(event), "{path}: {event}");
        }
        assert!(
            !html.contains("//cdn") && !html.contains("src=\"http"),
            "{path}: needs the network"
        );
    }
}

#[tokio::test]
async fn every_asset_named_by_a_page_is_there_for_ever() {
    let (router, _, _) = console(Fake::busy());
    let mut addresses = std::collections::BTreeSet::new();
    for path in PAGES {
        let (_, _, html) = get(&router, path).await;
        let found = html
            .split('"')
            .filter(|text| text.starts_with("/console/assets/"));
        addresses.extend(found.map(|text| text.split('#').next().unwrap().to_owned()));
    }
    assert!(addresses.len() >= 7, "{addresses:?}");
    for address in &addresses {
        let (status, headers, _) = get(&router, address).await;
        assert_eq!(status, StatusCode::OK, "{address}");
        let kept = headers["cache-control"].to_str().unwrap();
        assert!(kept.contains("immutable"), "{address}");
        let again = Request::get(address).header("if-none-match", &headers["etag"]);
        let (status, _, body) = send(&router, again.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (status, body.as_str()),
            (StatusCode::NOT_MODIFIED, ""),
            "{address}"
        );
    }
    let (status, headers, _) = get(&router, "/console/assets/0/js/console.js").await;
    assert_eq!(
        (status, &headers["cache-control"]),
        (StatusCode::OK, &"no-cache".parse().unwrap())
    );
    let (status, _, _) = get(&router, "/console/assets/0/../Cargo.toml").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_ban_needs_our_own_page() {
    let (router, _, _) = console(Fake::busy());
    let ban = |origin: Option<&str>, script: bool| {
        let mut request = Request::post("/console/products/ban")
            .header("host", "127.0.0.1:8000")
            .header("content-type", "application/x-www-form-urlencoded");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        if script {
            request = request.header("hx-request", "true");
        }
        request
            .body(Body::from("product_id=1004856&banned=true"))
            .unwrap()
    };
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let (status, _, _) = send(&router, ban(origin, true)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    let (_, _, html) = get(&router, "/console/products").await;
    assert!(!html.contains("Lift ban"));
    let own = Some("http://127.0.0.1:8000");
    let (status, _, row) = send(&router, ban(own, true)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        row.trim_start().starts_with("<tr>") && row.contains("Lift ban"),
        "{row}"
    );
    assert_eq!(row.matches("<tr>").count(), 1);
    let (status, headers, _) = send(&router, ban(own, false)).await;
    assert_eq!(
        (status, &headers["location"]),
        (StatusCode::SEE_OTHER, &"/console/products".parse().unwrap())
    );
    let (_, _, html) = get(&router, "/console/products").await;
    assert!(html.contains("Lift ban"));
}
