//! One engine works the stream, another one answers, over the same log and the same state.

use crate::relay::Untrimmed;
use crate::support::{NOW, clock, ingest, product, products, recommend, view};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vitrina_engine::{Engine, EngineError, EngineOptions, Ports, Roles, Visitor};
use vitrina_ports::catalogue::Expect;
use vitrina_ports::log::EventLog;
use vitrina_ports::state::memory::MemoryState;
use vitrina_types::answer::{Impression, Request};
use vitrina_types::ban::{Ban, BanTarget};
use vitrina_types::id::{ProductId, RequestId, UserId};
use vitrina_types::partition::Partition;
use vitrina_types::stored;
use vitrina_types::time::{EventTime, IngestTime};
use vitrina_types::topic::Topic;

/// Longest wait for what is to happen soon.
const LONG: Duration = Duration::from_secs(30);

const STREAMS: Roles = Roles {
    stream: true,
    answers: false,
    chores: true,
};
const ANSWERS: Roles = Roles {
    stream: false,
    answers: true,
    chores: false,
};

fn options(roles: Roles) -> EngineOptions {
    EngineOptions {
        roles,
        // Of the one machine of the tests nobody shall say that it was too slow.
        after_wait: LONG,
        visible_wait: LONG,
        progress_interval: Duration::from_millis(5),
        idle_check_interval: Duration::from_millis(50),
        id_seed: u64::from(roles.stream),
        ..EngineOptions::default()
    }
}

async fn start_as(ports: &Ports, roles: Roles) -> Arc<Engine> {
    start_with(ports, options(roles)).await
}

async fn start_with(ports: &Ports, options: EngineOptions) -> Arc<Engine> {
    Engine::start(ports.clone(), options, clock())
        .await
        .expect("starts")
}

async fn settled(engine: &Engine) {
    let settled = tokio::time::timeout(LONG, engine.settled()).await;
    assert!(settled.is_ok(), "{:?}", engine.status());
}

/// Waits until the engine shows what is asked for.
async fn until(what: &str, seen: impl Fn() -> bool) {
    let waiting = async {
        while !seen() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(LONG, waiting).await;
    assert!(done.is_ok(), "{what}");
}

/// Products by interest, with it.
fn popular(engine: &Engine) -> BTreeMap<String, u64> {
    let ranked = engine.popular(None, None, 1_000).into_iter();
    ranked
        .map(|one| {
            let id = one.card.product_id.as_str().to_owned();
            (id, (one.score * 1_000.0).round() as u64)
        })
        .collect()
}

/// What an engine says that has only just read all state.
async fn freshly_popular(ports: &Ports) -> BTreeMap<String, u64> {
    let fresh = start_as(ports, ANSWERS).await;
    let found = popular(&fresh);
    fresh.shutdown().await;
    found
}

fn user(id: &str) -> Visitor {
    Visitor::User(UserId::new(id).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_answer_of_one_knows_the_last_click_that_another_one_worked() {
    let ports = Ports::in_memory();
    let streaming = start_as(&ports, STREAMS).await;
    let answering = start_as(&ports, ANSWERS).await;
    for click in 1..=50 {
        let receipt = ingest(&answering, vec![view("u", "a", &format!("c{click}"))]).await;
        let answer = recommend(&answering, "u", Some(&receipt)).await;
        assert_eq!(answer.fresh, Some(true));
        let state = answering.visitor(&user("u")).await.unwrap().unwrap();
        assert_eq!(state.counters.of("view"), click);
    }
    settled(&answering).await;
    let status = answering.status();
    assert_eq!(status.lag.total(), 0, "{status:?}");
    assert_eq!(status.applied, 0, "none of it here");
    for (here, there) in answering
        .partitions()
        .await
        .iter()
        .zip(streaming.partitions().await)
    {
        assert_eq!(here.applied, there.applied, "{here:?} {there:?}");
    }
    streaming.shutdown().await;
    answering.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_products_elsewhere_is_seen() {
    let ports = Ports::in_memory();
    let streaming = start_as(&ports, STREAMS).await;
    let answering = start_as(&ports, ANSWERS).await;
    let made = vec![(product("new", "lamps"), Expect::Absent)];
    let written = answering.put_products(made, true).await.unwrap();
    assert!(written[0].visible);
    assert_eq!(
        products(&recommend(&answering, "nobody", None).await),
        ["new"]
    );
    let target = BanTarget::Product(ProductId::new("new").unwrap());
    let ban = Ban {
        target: target.clone(),
        reason: "recalled".into(),
        author: "test".into(),
        created_at: EventTime(0),
    };
    assert!(answering.set_ban(&ban).await.unwrap().visible);
    assert!(products(&recommend(&answering, "nobody", None).await).is_empty());
    assert!(answering.lift_ban(&target).await.unwrap().visible);
    for (count, id) in [(1, "x"), (5, "y"), (3, "new")] {
        let views = (0..count).map(|n| view("v", id, &format!("{id}{n}")));
        ingest(&answering, views.collect()).await;
    }
    settled(&answering).await;
    let ranked = answering.popular(None, None, 3);
    let ids = ranked.iter().map(|one| one.card.product_id.as_str());
    assert!(ids.eq(["y", "new", "x"]), "{ranked:?}");
    let lamps = answering.popular(None, Some("lamps"), 3);
    assert_eq!(lamps.len(), 1, "{lamps:?}");
    streaming.shutdown().await;
    answering.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn either_may_start_again() {
    let ports = Ports::in_memory();
    let mut streaming = start_as(&ports, STREAMS).await;
    let mut answering = start_as(&ports, ANSWERS).await;
    for round in 0..4 {
        let views = (0..200).map(|n| {
            let (who, what) = (format!("u{}", n % 17), format!("p{}", n % 23));
            view(&who, &what, &format!("{round}-{n}"))
        });
        let receipt = ingest(&answering, views.collect()).await;
        // In the midst of it.
        if round % 2 == 0 {
            streaming.shutdown().await;
            streaming = start_as(&ports, STREAMS).await;
        } else {
            answering.shutdown().await;
            answering = start_as(&ports, ANSWERS).await;
        }
        let answer = recommend(&answering, "u1", Some(&receipt)).await;
        assert_eq!(answer.fresh, Some(true));
    }
    settled(&answering).await;
    let want = freshly_popular(&ports).await;
    assert_eq!(want.len(), 23);
    assert_eq!(popular(&answering), want);
    streaming.shutdown().await;
    answering.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_lost_its_tail_comes_to_the_same_answers_again() {
    let state = Arc::new(MemoryState::with_crashes());
    let ports = Ports {
        state: Arc::clone(&state) as _,
        ..Ports::in_memory()
    };
    let mut streaming = start_as(&ports, STREAMS).await;
    let answering = start_as(&ports, ANSWERS).await;
    let views = |round: u32| {
        let each =
            (0..100).map(move |n| view("u", &format!("p{}", n % 7), &format!("{round}-{n}")));
        each.collect::<Vec<_>>()
    };
    ingest(&answering, views(1)).await;
    settled(&answering).await;
    state.flush();
    ingest(&answering, views(2)).await;
    settled(&answering).await;
    let before = popular(&answering);
    streaming.shutdown().await;
    state.crash(0);
    // The answering one finds out that all of it is on its way again, then it is not any more.
    until("stepped back", || answering.status().lag.users > 0).await;
    streaming = start_as(&ports, STREAMS).await;
    settled(&answering).await;
    assert_eq!(popular(&answering), before);
    ingest(&answering, views(3)).await;
    settled(&answering).await;
    let want = freshly_popular(&ports).await;
    assert_ne!(want, before);
    assert_eq!(popular(&answering), want);
    let state = answering.visitor(&user("u")).await.unwrap().unwrap();
    assert_eq!(state.counters.of("view"), 300);
    streaming.shutdown().await;
    answering.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intake_is_refused_while_nobody_works_the_stream_and_taken_again_afterwards() {
    let ports = Ports::in_memory();
    let streaming = start_as(&ports, STREAMS).await;
    let options = EngineOptions {
        lag_max: 100,
        after_wait: Duration::from_millis(1),
        ..options(ANSWERS)
    };
    let answering = start_with(&ports, options).await;
    let mut taken = 0;
    for round in 0..5 {
        let views = (0..60).map(|n| view("u", "p", &format!("{round}-{n}")));
        ingest(&answering, views.collect()).await;
        taken += 60;
        settled(&answering).await;
    }
    streaming.shutdown().await;
    let mut refused = None;
    for number in 0..100 {
        let views = (0..10).map(|n| view("u", "p", &format!("late-{number}-{n}")));
        match answering.ingest(views.collect(), "test").await {
            Ok(receipt) => {
                let answer = recommend(&answering, "u", Some(&receipt)).await;
                assert_eq!(answer.fresh, Some(false));
                taken += 10;
            }
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let is_overloaded = |error: &EngineError| matches!(error, EngineError::Overloaded { .. });
    assert!(refused.as_ref().is_some_and(is_overloaded), "{refused:?}");
    let streaming = start_as(&ports, STREAMS).await;
    settled(&answering).await;
    ingest(&answering, vec![view("u", "p", "last")]).await;
    settled(&answering).await;
    let state = answering.visitor(&user("u")).await.unwrap().unwrap();
    assert_eq!(state.counters.of("view"), taken + 1);
    streaming.shutdown().await;
    answering.shutdown().await;
}

fn question(number: u32) -> Request {
    Request {
        request_id: RequestId::new(&format!("q{number}")).unwrap(),
        ingest_time: IngestTime(NOW),
        user_id: Some(UserId::new(&format!("u{}", number % 5)).unwrap()),
        anonymous_id: None,
        session: Vec::new(),
        placement: None,
        product_id: None,
        category: None,
        limit: None,
    }
}

/// Every answer to a question in the log, how often.
async fn answered(ports: &Ports) -> BTreeMap<RequestId, u32> {
    let mut found = BTreeMap::new();
    let (topic, mut from) = (Topic::RecommendationsResults, 0);
    loop {
        let records = ports.log.read(topic, Partition(0), from, 1_000_000);
        let records = records.await.unwrap();
        let Some(last) = records.last() else {
            return found;
        };
        from = last.offset + 1;
        for record in records {
            let impression: Impression = stored::decode(&record.bytes).unwrap();
            if let Some(id) = impression.request_id {
                *found.entry(id).or_default() += 1;
            }
        }
    }
}

/// Two processes have the chores by mistake; a third one, which has not, asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_once_however_many_answer_questions() {
    const QUESTIONS: u32 = 300;
    let ports = Ports::in_memory();
    let both = Roles {
        chores: true,
        ..ANSWERS
    };
    let streaming = start_as(&ports, Roles::all()).await;
    let second = start_as(&ports, both).await;
    let asking = start_as(&ports, ANSWERS).await;
    ingest(&asking, vec![view("x", "a", "1")]).await;
    for first in (0..QUESTIONS).step_by(10) {
        let some: Vec<Request> = (first..first + 10).map(question).collect();
        asking.ask(&some).await.unwrap();
        let last = &some[9].request_id;
        let answer = asking.answer_to(last, LONG).await;
        assert!(answer.is_some(), "no answer to {last}");
    }
    let found = answered(&ports).await;
    assert_eq!(found.len(), QUESTIONS as usize);
    assert!(found.values().all(|&count| count == 1), "{found:?}");
    for engine in [streaming, second, asking] {
        engine.shutdown().await;
    }
}

/// Relay and sinks are two times there, and each change is once in the log; for a while nothing
/// is trimmed, so that each relay comes to see every change.
#[tokio::test(flavor = "multi_thread")]
async fn chores_that_two_do_are_done_once() {
    let mut ports = Ports::in_memory();
    let catalogue = Arc::new(Untrimmed {
        inner: Arc::clone(&ports.catalogue),
        loses_trims: AtomicBool::new(true),
    });
    ports.catalogue = Arc::clone(&catalogue) as _;
    let both = Roles {
        chores: true,
        ..ANSWERS
    };
    let streaming = start_as(&ports, STREAMS).await;
    let second = start_as(&ports, both).await;
    for number in 0..100 {
        let made = product(&format!("p{number}"), "lamps");
        let made = vec![(made, Expect::Absent)];
        second.put_products(made, number % 10 == 0).await.unwrap();
        ingest(&second, vec![view("u", "p1", &format!("v{number}"))]).await;
    }
    catalogue.loses_trims.store(false, Ordering::SeqCst);
    let last = vec![(product("p100", "lamps"), Expect::Absent)];
    second.put_products(last, true).await.unwrap();
    settled(&second).await;
    settled(&streaming).await;
    let created = ports.log.bounds(Topic::ProductNew, Partition(0));
    assert_eq!(created.end, 101);
    for number in 0..=100 {
        let id = ProductId::new(&format!("p{number}")).unwrap();
        let card = second.card(&id).unwrap();
        assert_eq!(card.category.as_deref(), Some("lamps"), "p{number}");
    }
    streaming.shutdown().await;
    second.shutdown().await;
}
