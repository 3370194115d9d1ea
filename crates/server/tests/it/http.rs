//! The HTTP face of the real binary.

use crate::support::Server;

#[test]
fn an_event_is_in_the_next_answer_and_bad_input_harms_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(&directory.path().join("data"));
    assert_eq!(server.get("/health/ready")["status"], "ready");
    let product = br#"{"product_id":"p1","brand":"acme","category_path":["shoes"]}"#;
    assert_eq!(server.call("POST", "/v1/products", product).status, 201);
    let event = br#"{"event_type":"view","user_id":"u1","product_id":"p1"}"#;
    let taken = server.call("POST", "/v1/events", event);
    assert_eq!(taken.status, 202, "{}", taken.text());
    let position = taken.json()["position"].as_str().unwrap().to_owned();
    let path = format!("/v1/recommendations/u1?after={position}&explain=true");
    let answer = server.get(&path);
    assert_eq!(answer["fresh"], true, "{answer}");
    assert_eq!(
        server.get("/v1/users/u1/recently-viewed")["items"][0]["product_id"],
        "p1"
    );
    let slate = answer["slate_id"].as_str().unwrap();
    assert!(server.get(&format!("/v1/slates/{slate}/explain"))["why"].is_object());
    #[rustfmt::skip]
    let bad: &[(&str, &str, &[u8], u16)] = &[
        ("POST", "/v1/events",                     b"{\"event_type\":",                400),
        ("POST", "/v1/events",                     b"[\"\xff\xfe\"]",                  400),
        ("POST", "/v1/events",                     &[b'['; 100_000],                   400),
        ("POST", "/v1/recommendations",            b"{\"limit\":0}",                   400),
        ("PUT",  "/v1/products/p1",                b"{\"price\":1e999}",               400),
        ("GET",  "/v1/recommendations/u1?limit=x", b"",                                400),
        ("GET",  "/v1/recommendations/%00",        b"",                                400),
        ("GET",  "/nowhere",                       b"",                                404),
        ("PUT",  "/v1/events",                     b"",                                405),
    ];
    for (method, path, body, status) in bad {
        let reply = server.call(method, path, body);
        assert_eq!(reply.status, *status, "{method} {path}: {}", reply.text());
        let head = reply.head.to_ascii_lowercase();
        assert!(
            head.contains("application/problem+json"),
            "{method} {path}: {head}"
        );
        assert_eq!(reply.json()["status"], *status, "{method} {path}");
    }
    assert_eq!(server.call("GET", "/docs/", b"").status, 200);
    assert!(server.get("/openapi.json")["paths"]["/v1/events"].is_object());
    let metrics = server.call("GET", "/metrics", b"").text();
    assert!(
        metrics.contains("vitrina_events_accepted_total 1"),
        "{metrics}"
    );
    server.stop();
}
