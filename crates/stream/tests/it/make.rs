//! Ids, events and records, short to write.

use proptest::prelude::*;
use vitrina_stream::driver::Driver;
use vitrina_types::event::{Consent, Event, EventDraft, Kind, Subject};
use vitrina_types::id::{AnonymousId, EventId, ProductId, SessionId, UserId};
use vitrina_types::money::Amount;
use vitrina_types::record::{ProductEnvelope, ProductRecord, UserEnvelope, UserRecord};
use vitrina_types::time::{EventTime, IngestTime};

/// 2019-10-01T00:00:00Z.
pub(crate) const START: i64 = 1_569_888_000_000;
pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn anonymous(id: &str) -> AnonymousId {
    AnonymousId::new(id).unwrap()
}

pub(crate) fn product(id: &str) -> ProductId {
    ProductId::new(id).unwrap()
}

/// An event of user `u`, called `name`, `ms` after [`START`].
pub(crate) fn event(id: &str, name: &str, products: &[&str], ms: i64) -> Event {
    let mut draft = EventDraft {
        product_id: products.first().map(|p| (*p).to_owned()),
        price: Amount::from_units(10.0).ok(),
        rating: Some(5.0),
        query: Some("sofa".to_owned()),
        ..EventDraft::default()
    };
    let line = |p: &&str| vitrina_types::event::draft::LineDraft {
        product_id: Some((*p).to_owned()),
        quantity: Some(1),
        price: Amount::from_units(10.0).ok(),
    };
    if products.len() > 1 {
        draft.items = Some(products.iter().map(line).collect());
    }
    Event {
        event_id: EventId::new(id).unwrap(),
        subject: Subject {
            user_id: Some(user("u")),
            anonymous_id: None,
        },
        session_id: None,
        event_time: EventTime(START + ms),
        kind: Kind::read(name, &mut draft).unwrap().unwrap(),
        currency: None,
        origin: None,
        context: None,
        consent: Consent::default(),
    }
}

pub(crate) fn view(id: &str, of: &str, ms: i64) -> Event {
    event(id, "view", &[of], ms)
}

pub(crate) fn by(mut event: Event, user_id: Option<&str>, anonymous_id: Option<&str>) -> Event {
    event.subject = Subject {
        user_id: user_id.map(user),
        anonymous_id: anonymous_id.map(anonymous),
    };
    event
}

pub(crate) fn in_session(mut event: Event, session: &str) -> Event {
    event.session_id = Some(SessionId::new(session).unwrap());
    event
}

pub(crate) fn without_consent(mut event: Event) -> Event {
    event.consent.personalisation = false;
    event
}

/// The event as taken in the moment it happened.
pub(crate) fn live(event: Event) -> UserEnvelope {
    let ingest = event.event_time.0;
    taken(event, ingest - START)
}

/// The event as taken in `ms` after [`START`].
pub(crate) fn taken(event: Event, ms: i64) -> UserEnvelope {
    UserEnvelope {
        ingest_time: IngestTime(START + ms),
        backfill: false,
        record: UserRecord::Event(Box::new(event)),
    }
}

pub(crate) fn signal(record: ProductRecord) -> ProductEnvelope {
    ProductEnvelope {
        ingest_time: IngestTime(START),
        backfill: false,
        record,
    }
}

/// A driver that took in the records and came to rest.
pub(crate) fn driven(records: &[UserEnvelope]) -> Driver {
    let mut driver = Driver::default();
    for record in records {
        driver.pipe_in(record);
    }
    driver.run();
    driver
}

/// Kinds of events in random streams, each as often as it stands here.
pub(crate) const KINDS: [&str; 10] = [
    "view",
    "view",
    "view",
    "click",
    "impression",
    "add_to_cart",
    "purchase",
    "return",
    "rating",
    "search",
];

/// Records of a few visitors, in the order of arrival: known users, anonymous ones and those who
/// log in; duplicates, late ones, orders of several lines, ticks.
pub(crate) fn stream(len: std::ops::Range<usize>) -> impl Strategy<Value = Vec<UserEnvelope>> {
    let one = (
        0..KINDS.len(),
        prop::collection::vec(0u8..12, 1..4),
        0i64..6 * HOUR,
        (0u8..4, 0u8..3),
        0u8..12,
    );
    prop::collection::vec(one, len).prop_map(|drawn| {
        let mut ids: Vec<UserEnvelope> = Vec::new();
        for (place, (kind, products, back, (user, visitor), special)) in
            drawn.into_iter().enumerate()
        {
            let now = place as i64 * 7 * MINUTE;
            if special == 0 && !ids.is_empty() {
                ids.push(ids[place * 7 % ids.len()].clone());
                continue;
            }
            if special == 1 {
                ids.push(tick(now));
                continue;
            }
            let names: Vec<String> = products.iter().map(|p| format!("p{p}")).collect();
            let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
            if !matches!(KINDS[kind], "purchase" | "return") {
                names.truncate(1);
            }
            let late = if special == 2 {
                back
            } else {
                back % (2 * MINUTE)
            };
            let made = event(
                &format!("e{place}"),
                KINDS[kind],
                &names,
                now - late + 6 * HOUR,
            );
            let (user, visitor) = (format!("u{user}"), format!("a{visitor}"));
            let made = match special {
                3..6 => by(made, None, Some(&visitor)),
                6 => by(made, Some(&user), Some(&visitor)),
                7 => without_consent(by(made, Some(&user), None)),
                _ => by(made, Some(&user), None),
            };
            ids.push(taken(made, now + 6 * HOUR));
        }
        ids
    })
}

pub(crate) fn tick(ms: i64) -> UserEnvelope {
    UserEnvelope {
        ingest_time: IngestTime(START + ms),
        backfill: false,
        record: UserRecord::Tick,
    }
}
