//! Questions and answers.

use super::catalogue::product_id;
use vitrina_types::answer::{Impression, Request, ShownItem};
use vitrina_types::id::{AnonymousId, PlacementId, RequestId, SlateId, UserId};
use vitrina_types::score::Score;
use vitrina_types::time::{EventTime, IngestTime};

/// What version 1 could say.
pub(crate) fn impressions_1() -> Vec<Impression> {
    let shown = |product: &str, score: f32| ShownItem {
        product: product_id(product),
        score: Score::saturating(score),
        source: "popular".into(),
    };
    vec![
        Impression {
            slate_id: SlateId::new("s-1").unwrap(),
            user_id: UserId::new("u").ok(),
            placement: PlacementId::new("home").unwrap(),
            at: EventTime(1_569_888_000_000),
            generation: 17,
            items: vec![shown("p", 0.75), shown("q", -2.5)],
            anonymous_id: None,
            request_id: None,
        },
        Impression {
            slate_id: SlateId::new("s-2").unwrap(),
            user_id: None,
            placement: PlacementId::new("cart").unwrap(),
            at: EventTime(0),
            generation: 0,
            items: Vec::new(),
            anonymous_id: None,
            request_id: None,
        },
    ]
}

pub(crate) fn impressions() -> Vec<Impression> {
    let mut impressions = impressions_1();
    let asked = Impression {
        anonymous_id: AnonymousId::new("cookie").ok(),
        request_id: RequestId::new("question-7").ok(),
        ..impressions[0].clone()
    };
    impressions.push(asked);
    impressions
}

pub(crate) fn requests() -> Vec<Request> {
    let bare = Request {
        request_id: RequestId::new("question-7").unwrap(),
        ingest_time: IngestTime(1_569_888_000_000),
        user_id: None,
        anonymous_id: None,
        session: Vec::new(),
        placement: None,
        product_id: None,
        category: None,
        limit: None,
    };
    let full = Request {
        user_id: UserId::new("u").ok(),
        anonymous_id: AnonymousId::new("cookie").ok(),
        session: vec![product_id("p"), product_id("q")],
        placement: PlacementId::new("home").ok(),
        product_id: Some(product_id("r")),
        category: Some("electronics.smartphone".into()),
        limit: Some(200),
        ..bare.clone()
    };
    vec![bare, full]
}
