//! The console in a real browser: scripts run under the strict policy, live figures arrive.

use crate::support::Server;
use std::process::Command;

/// What must be on the page only once its scripts have run and figures have come in.
const DRAWN: &str = "class=\"u-over\"";

fn page(url: &str, profile: &std::path::Path) -> String {
    // An open live stream never lets a page come to rest, so the page is read once it has loaded;
    // `timeout` ends a browser that hangs.
    let output = Command::new("timeout")
        .args([
            "60",
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--timeout=10000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .output()
        .expect("chromium runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_console_works_in_chromium() {
    let without = std::env::var_os("VITRINA_TEST_WITHOUT_BROWSER").is_some();
    if without {
        println!("SKIPPED: VITRINA_TEST_WITHOUT_BROWSER is set, the console was not looked at");
        return;
    }
    let found = Command::new("chromium").arg("--version").output();
    assert!(
        found.is_ok(),
        "no chromium: install it, or set VITRINA_TEST_WITHOUT_BROWSER=1 to go without"
    );
    let place = tempfile::tempdir().unwrap();
    let server = Server::start(&place.path().join("data"));
    let event =
        br#"{"event_type":"view","user_id":"u1","product_id":"<img src=x onerror=alert(1)>"}"#;
    assert_eq!(server.call("POST", "/v1/events", event).status, 202);
    let overview = page(
        &format!("http://{}/", server.host),
        &place.path().join("profile"),
    );
    assert!(overview.contains("Vitrina"), "{overview}");
    assert!(overview.contains(DRAWN), "no chart was drawn:\n{overview}");
    let visitor = format!("http://{}/console/visitor?id=u1", server.host);
    let visitor = page(&visitor, &place.path().join("profile"));
    assert!(visitor.contains("&lt;img src=x"), "{visitor}");
    assert!(!visitor.contains("<img src=x"), "not escaped:\n{visitor}");
    server.stop();
}
