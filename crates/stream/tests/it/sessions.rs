//! Where one visit ends and the next begins.

use crate::make::*;
use vitrina_types::record::UserEnvelope;

type Case = (
    &'static str,
    Vec<UserEnvelope>,
    u32,
    u32,
    (i64, i64),
    &'static [&'static str],
);

#[test]
fn session_cases() {
    let at = |id: &str, ms: i64| live(view(id, id, ms));
    let shop = |id: &str, session: &str, ms: i64| live(in_session(view(id, id, ms), session));
    const GAP: i64 = 30 * MINUTE;
    #[rustfmt::skip]
    let cases: Vec<Case> = vec![
        // name, events, sessions, events of the newest, its bounds, its products, newest first
        ("one event",        vec![at("a", 0)],                                    1, 1, (0, 0),             &["a"]),
        ("at the gap",       vec![at("a", 0), at("b", GAP)],                      1, 2, (0, GAP),           &["b", "a"]),
        ("beyond it",        vec![at("a", 0), at("b", GAP + 1)],                  2, 1, (GAP + 1, GAP + 1), &["b"]),
        ("chained",          vec![at("a", 0), at("b", GAP), at("c", 2 * GAP)],    1, 3, (0, 2 * GAP),       &["c", "b", "a"]),
        ("inside, late",     vec![at("a", 0), at("c", GAP), at("b", 5)],          1, 3, (0, GAP),           &["c", "b", "a"]),
        ("before, late",     vec![at("b", 9), at("a", 0)],                        1, 2, (0, 9),             &["b", "a"]),
        ("another day late", vec![at("c", DAY), at("a", 0), at("b", 5)],          2, 1, (DAY, DAY),         &["c"]),
        ("shop's own",       vec![shop("a", "1", 0), shop("b", "2", 5)],          2, 1, (5, 5),             &["b"]),
        ("shop's own, late", vec![shop("b", "2", 5), shop("a", "1", 0)],          2, 1, (5, 5),             &["b"]),
        ("shop's, same",     vec![shop("a", "1", 0), shop("b", "1", 5)],          1, 2, (0, 5),             &["b", "a"]),
        ("shop's, then none",vec![shop("a", "1", 0), at("b", 5)],                 1, 2, (0, 5),             &["b", "a"]),
        ("shop's, by gap",   vec![shop("a", "1", 0), shop("b", "1", 2 * GAP)],    2, 1, (2 * GAP, 2 * GAP), &["b"]),
    ];
    for (name, records, sessions, events, (started, last), products) in cases {
        let state = driven(&records).user(&user("u")).unwrap();
        let session = state.session;
        assert_eq!(state.sessions, sessions, "{name}");
        assert_eq!(session.events, events, "{name}");
        assert_eq!(session.started.0 - START, started, "{name}");
        assert_eq!(session.last.0 - START, last, "{name}");
        let got: Vec<&str> = state
            .session_products()
            .map(|e| e.product.as_str())
            .collect();
        assert_eq!(got, products, "{name}");
    }
}
