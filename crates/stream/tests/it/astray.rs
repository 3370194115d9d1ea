//! Events that a foreign client put into partitions of its own choice: they go home, once, and
//! count there only.

use crate::make::*;
use vitrina_stream::driver::Driver;
use vitrina_types::event::Event;
use vitrina_types::partition::Partition;
use vitrina_types::record::{DeadLetter, UserEnvelope, UserRecord};
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Partitions that records lie in which were sent home, with the ids of their events.
fn homecomers(driver: &Driver) -> Vec<(Partition, String)> {
    let records = driver.records(Topic::UserEvents);
    let decoded = records.filter_map(|(partition, bytes)| {
        let envelope: UserEnvelope = stored::decode(bytes).ok()?;
        match envelope.record {
            UserRecord::Home(event) => Some((partition, event.event_id.as_str().to_owned())),
            _ => None,
        }
    });
    decoded.collect()
}

/// As whoever reads the log says it of an event that lies in `elsewhere`.
fn astray(event: Event) -> Vec<u8> {
    let envelope = live(event);
    stored::encode(&UserEnvelope {
        record: match envelope.record {
            UserRecord::Event(event) => UserRecord::Astray(event),
            other => other,
        },
        ..envelope
    })
}

fn elsewhere(who: &str) -> Partition {
    Partition((Partition::of(who).0 + 5) % vitrina_types::partition::PARTITIONS)
}

/// Three views of a user, in a wrong partition where `is_astray`.
fn driver(batch: usize, is_astray: bool) -> Driver {
    let mut driver = Driver::default().with_batch(batch);
    for (id, of) in [("1", "a"), ("2", "b"), ("3", "c")] {
        let place: i64 = id.parse().unwrap();
        let event = view(id, of, place * SECOND);
        match is_astray {
            true => driver.append(Topic::UserEvents, elsewhere("u"), astray(event)),
            false => driver.pipe_in(&live(event)),
        }
    }
    driver
}

#[test]
fn an_astray_event_goes_home_once_and_counts_there_only() {
    for batch in [1, 2, 100] {
        let mut straight = driver(batch, false);
        straight.run();
        let mut led = driver(batch, true);
        led.run();
        let home = Partition::of("u");
        let want = ["1", "2", "3"].map(|id| (home, id.to_owned()));
        assert_eq!(homecomers(&led), want, "once each, in order");
        let (state, wanted) = (led.user(&user("u")), straight.user(&user("u")));
        assert_eq!(state.as_ref().unwrap().counters.of("view"), 3);
        assert_eq!(state, wanted, "as if they had come there");
        // Of what lies elsewhere only the task's own count of records is kept.
        let snapshot = led.snapshot();
        let keys = snapshot.iter().filter(|((_, at), _)| *at == elsewhere("u"));
        let keys: Vec<&String> = keys.flat_map(|(_, values)| values.keys()).collect();
        assert!(keys.iter().all(|key| !key.starts_with("u/")), "{keys:?}");
        let task = &led.user_tasks()[&elsewhere("u")];
        assert_eq!(
            (task.applied, task.watermark),
            (3, vitrina_types::time::Watermark::NONE)
        );
        let product = led.product(&product("a")).unwrap();
        assert_eq!(product.counters.of("view"), 1);
    }
}

#[test]
fn an_anonymous_visitor_goes_home_too_and_is_linked_there() {
    let mut driver = Driver::default();
    let before = by(view("1", "a", 0), None, Some("cookie"));
    let login = by(view("2", "b", 1), Some("u"), Some("cookie"));
    let after = by(view("3", "c", 2), None, Some("cookie"));
    for (event, at) in [(before, "cookie"), (login, "u"), (after, "cookie")] {
        driver.append(Topic::UserEvents, elsewhere(at), astray(event));
        driver.run();
    }
    let state = driver.user(&user("u")).unwrap();
    assert_eq!(state.counters.of("view"), 3);
    let left = driver.anonymous(&anonymous("cookie")).unwrap();
    assert_eq!(left.linked_to, Some(user("u")));
}

/// Sent on before the crash, and not again after it; sent twice by the client, counted once.
#[test]
fn a_crash_between_outputs_and_state_sends_nothing_home_twice() {
    let mut calm = driver(2, true);
    calm.run();
    let mut crashed = driver(2, true);
    for _ in 0..4 {
        assert!(crashed.step(), "nothing is committed");
        crashed.crash();
    }
    crashed.run();
    assert_eq!(homecomers(&crashed), homecomers(&calm));
    assert_eq!(crashed.snapshot(), calm.snapshot());
    let again = astray(view("1", "a", SECOND));
    crashed.append(Topic::UserEvents, elsewhere("u"), again);
    crashed.run();
    assert_eq!(crashed.user(&user("u")).unwrap().counters.of("view"), 3);
}

/// What a client wrote that is no event: its place, its bytes, and what is wrong with it.
#[test]
fn bad_json_is_a_dead_letter_that_says_why() {
    let mut driver = Driver::default();
    let json = br#"{"event_type":"dance","user_id":"u"}"#;
    driver.append(Topic::UserEvents, Partition(7), json.to_vec());
    driver.append(Topic::UserEvents, Partition(7), b"\x09".to_vec());
    driver.run();
    let letters: Vec<DeadLetter> = driver.decoded(Topic::DeadLetters);
    let said = letters
        .iter()
        .map(|one| (&*one.rejection.code, &*one.source));
    let want = [
        ("unknown_event_type", "user-events/7@0"),
        ("undecodable", "user-events/7@1"),
    ];
    assert!(said.eq(want), "{letters:?}");
    assert_eq!(letters[0].bytes, json);
}
