//! Records of the topics, every variant and every kind of event.

use super::catalogue::{bans, product_id, products, text_bans};
use super::rows::{progress, upstream};
use super::states::user_states;
use vitrina_types::event::{
    AddToCart, Click, Consent, Context, Event, Impression, Kind, KindTag, Line, Origin, Purchase,
    Rating, Rejection, RemoveFromCart, Return, Search, Subject, View, Wishlist,
};
use vitrina_types::id::{AnonymousId, EventId, PlacementId, SessionId, SlateId, UserId};
use vitrina_types::money::{Amount, Currency};
use vitrina_types::record::{
    DeadLetter, ProductEnvelope, ProductRecord, ShopEnvelope, ShopRecord, UserEnvelope, UserRecord,
};
use vitrina_types::time::{EventTime, IngestTime};

fn line(product: &str) -> Line {
    Line {
        product: product_id(product),
        quantity: 1_000_000,
        price: Amount::from_units(35.79).ok(),
    }
}

fn kinds() -> Vec<Kind> {
    let line = || line("p");
    let bare = Line {
        product: product_id("q"),
        quantity: 1,
        price: None,
    };
    vec![
        Kind::View(View { line: line() }),
        Kind::Click(Click { line: line() }),
        Kind::Impression(Impression { line: line() }),
        Kind::AddToCart(AddToCart { line: line() }),
        Kind::RemoveFromCart(RemoveFromCart { line: line() }),
        Kind::Purchase(Purchase {
            lines: vec![line(), bare],
        }),
        Kind::Return(Return {
            lines: vec![line()],
        }),
        Kind::Wishlist(Wishlist { line: line() }),
        Kind::Rating(Rating {
            line: line(),
            rating: 4.5,
        }),
        Kind::Search(Search {
            query: "диван".into(),
        }),
    ]
}

fn event(kind: Kind) -> Box<Event> {
    Box::new(Event {
        event_id: EventId::new("0194f0c2-7b1a-7000-8000-000000000001").unwrap(),
        subject: Subject {
            user_id: UserId::new("u").ok(),
            anonymous_id: AnonymousId::new("cookie").ok(),
        },
        session_id: SessionId::new("session").ok(),
        event_time: EventTime(1_569_888_000_000),
        kind,
        currency: Some(Currency::GBP),
        origin: Some(Origin {
            slate_id: SlateId::new("s-1").unwrap(),
            position: Some(3),
            placement: PlacementId::new("home").ok(),
        }),
        context: Some(Box::new(Context {
            address_hash: Some(u64::MAX),
            user_agent: Some("agent".into()),
            device: Some("phone".into()),
            region: Some("EU".into()),
            locale: Some("de-DE".into()),
            referrer: Some("https://shop.example".into()),
        })),
        consent: Consent {
            personalisation: true,
            analytics: false,
        },
    })
}

fn bare_event() -> Box<Event> {
    let mut bare = event(kinds().swap_remove(0));
    bare.subject.user_id = None;
    bare.session_id = None;
    bare.currency = None;
    bare.origin = None;
    bare.context = None;
    bare.consent = Consent::default();
    bare
}

pub(crate) fn user_envelopes() -> Vec<UserEnvelope> {
    let user_id = UserId::new("u").unwrap();
    let anonymous_id = AnonymousId::new("cookie").unwrap();
    let mut records: Vec<UserRecord> = kinds()
        .into_iter()
        .map(|kind| UserRecord::Event(event(kind)))
        .collect();
    records.extend([
        UserRecord::Event(bare_event()),
        UserRecord::Link {
            anonymous_id: anonymous_id.clone(),
            user_id: user_id.clone(),
        },
        UserRecord::Adopt {
            user_id: user_id.clone(),
            anonymous_id,
            state: Box::new(user_states().swap_remove(1)),
        },
        UserRecord::Forward {
            user_id,
            event: bare_event(),
        },
        UserRecord::Tick,
        UserRecord::Expire {
            day: 18_170,
            number: 63,
        },
        UserRecord::Forget {
            day: 18_170,
            keys: vec!["u/u".into(), "a/cookie".into()],
        },
        UserRecord::Unlink {
            user_id: UserId::new("first").unwrap(),
            anonymous_id: AnonymousId::new("cookie").unwrap(),
        },
    ]);
    let envelopes = records
        .into_iter()
        .enumerate()
        .map(|(place, record)| UserEnvelope {
            ingest_time: IngestTime(1_569_888_000_000 + place as i64),
            backfill: place % 2 == 1,
            record,
        });
    envelopes.collect()
}

/// Variants of version 1 that came after its file was written.
pub(crate) fn user_continues() -> Vec<UserEnvelope> {
    vec![UserEnvelope {
        ingest_time: IngestTime(1_569_888_000_000),
        backfill: true,
        record: UserRecord::Continue,
    }]
}

/// Variants of version 1 that came after its file was written.
pub(crate) fn user_homecomers() -> Vec<UserEnvelope> {
    let records = [
        UserRecord::Astray(bare_event()),
        UserRecord::Home(bare_event()),
    ];
    let envelope = |record| UserEnvelope {
        ingest_time: IngestTime(1_569_888_000_000),
        backfill: false,
        record,
    };
    records.map(envelope).to_vec()
}

/// Numbers of version 1 that came after its file was written: one byte took them before.
pub(crate) fn user_buckets() -> Vec<UserEnvelope> {
    let of = |number| UserEnvelope {
        ingest_time: IngestTime(1_569_888_000_000),
        backfill: false,
        record: UserRecord::Expire {
            day: 18_170,
            number,
        },
    };
    vec![of(64), of(128), of(24_413), of(u32::MAX)]
}

/// What version 1 could say.
pub(crate) fn product_envelopes_1() -> Vec<ProductEnvelope> {
    let (product, at) = (product_id("p"), EventTime(1_569_888_000_000));
    let kind = KindTag(5);
    let records = vec![
        ProductRecord::Interaction {
            product: product.clone(),
            kind,
            interest: 8.0,
            at,
            value: Amount::from_units(-71.58).ok().map(|a| (Currency::USD, a)),
            pieces: 1,
            visitor: None,
        },
        ProductRecord::CoVisit {
            product: product.clone(),
            neighbour: product_id("q"),
            weight: 0.625,
            at,
            bought: true,
        },
        ProductRecord::Upsert {
            version: u64::MAX,
            product: Box::new(products().swap_remove(1)),
        },
        ProductRecord::Delete {
            version: 7,
            product,
        },
        ProductRecord::CategoryInteraction {
            category: "electronics.smartphone".into(),
            kind,
            interest: 1.5,
            at,
        },
        ProductRecord::Ban {
            version: 3,
            target: bans().swap_remove(1).target,
            banned: true,
        },
        ProductRecord::Tick,
    ];
    records.into_iter().map(product_envelope).collect()
}

fn product_envelope(record: ProductRecord) -> ProductEnvelope {
    ProductEnvelope {
        ingest_time: IngestTime(1_569_888_000_000),
        backfill: false,
        record,
    }
}

pub(crate) fn product_envelopes() -> Vec<ProductEnvelope> {
    let interaction = |pieces, visitor| ProductRecord::Interaction {
        product: product_id("p"),
        kind: KindTag(0),
        interest: 1.0,
        at: EventTime(1_569_888_000_000),
        value: None,
        pieces,
        visitor,
    };
    let mut records = vec![interaction(1_000_000, Some(u64::MAX)), interaction(1, None)];
    records.extend(text_bans().into_iter().map(|ban| ProductRecord::Ban {
        version: 4,
        target: ban.target,
        banned: false,
    }));
    records.extend([
        ProductRecord::Upstream(upstream()),
        ProductRecord::Reached(progress()),
        ProductRecord::Continue,
    ]);
    let mut envelopes = product_envelopes_1();
    envelopes.extend(records.into_iter().map(product_envelope));
    envelopes
}

pub(crate) fn shop_envelopes() -> Vec<ShopEnvelope> {
    let bans = bans().into_iter().chain(text_bans());
    let bans = bans.enumerate().map(|(place, ban)| ShopRecord::Ban {
        version: place as u64 + 1,
        target: ban.target,
        banned: place % 2 == 0,
    });
    let offers = products().into_iter().map(Box::new);
    let records = offers.map(ShopRecord::Offered).chain(bans);
    let envelopes = records.map(|record| ShopEnvelope {
        ingest_time: IngestTime(1_569_888_000_000),
        record,
    });
    envelopes.collect()
}

pub(crate) fn dead_letters() -> Vec<DeadLetter> {
    vec![DeadLetter {
        ingest_time: IngestTime(1_569_888_000_000),
        source: "user-events/7@42".into(),
        rejection: Rejection::new("undecodable", "", "stored product is damaged"),
        attempts: 3,
        bytes: vec![0, 127, 128, 255],
    }]
}
