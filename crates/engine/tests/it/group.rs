//! Two engines in one group over a transactional broker: tasks move from one to the other.

use crate::support::{clock, ingest, product, recommend, view};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use vitrina_engine::{Engine, EngineOptions, INPUTS, Ports, Roles, Visitor, verify};
use vitrina_ports::PortFuture;
use vitrina_ports::broker::{Broker, BrokerStep, Isolation};
use vitrina_ports::catalogue::Expect;
use vitrina_ports::faulty::SplitMix64;
use vitrina_ports::log::EventLog;
use vitrina_ports::seat::solo::share;
use vitrina_ports::seat::{Seat, Seats};
use vitrina_types::id::UserId;

/// Longest wait for what is to happen soon.
const LONG: Duration = Duration::from_secs(60);
/// Stream threads of each engine.
const THREADS: u32 = 2;

/// The seats of one process of the group.
struct GroupSeats {
    broker: Broker,
    process: u32,
}

impl Seats for GroupSeats {
    fn seat<'a>(
        &'a self,
        _log: &'a Arc<dyn EventLog>,
        worker: usize,
        of: usize,
    ) -> PortFuture<'a, Box<dyn Seat>> {
        let slot = self.process * of as u32 + worker as u32;
        let seat = self.broker.seat(slot);
        Box::pin(async { Ok(Box::new(seat) as _) })
    }

    fn are_alone(&self) -> bool {
        false
    }
}

/// A broker, and the stores that all processes share.
struct Group {
    broker: Broker,
    ports: Ports,
}

impl Group {
    fn new() -> Self {
        let broker = Broker::new();
        broker.create_group(share(&INPUTS, 0, 1));
        let log = broker.reader(Isolation::Committed);
        Self {
            broker,
            ports: Ports {
                log: Arc::new(log),
                ..Ports::in_memory()
            },
        }
    }

    async fn start(&self, process: u32) -> Arc<Engine> {
        let ports = Ports {
            seats: Arc::new(GroupSeats {
                broker: self.broker.clone(),
                process,
            }),
            ..self.ports.clone()
        };
        let options = EngineOptions {
            roles: Roles {
                chores: process == 0,
                ..Roles::all()
            },
            stream_threads: THREADS as usize,
            after_wait: LONG,
            visible_wait: LONG,
            progress_interval: Duration::from_millis(5),
            idle_check_interval: Duration::from_millis(50),
            id_seed: process.into(),
            ..EngineOptions::default()
        };
        Engine::start(ports, options, clock())
            .await
            .expect("starts")
    }

    /// The broker does what a broker does of its own accord.
    fn run(&self) -> JoinHandle<()> {
        let broker = self.broker.clone();
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            loop {
                ticks.tick().await;
                broker.settle();
            }
        })
    }

    /// Takes some tasks away from whoever has them.
    fn rebalance(&self, random: &mut SplitMix64) {
        let steps = self.broker.enabled_steps().into_iter();
        let revocations = steps.filter(|step| matches!(step, BrokerStep::Revoke { .. }));
        for step in revocations.filter(|_| random.next().is_multiple_of(8)) {
            self.broker.take(step);
        }
    }
}

async fn settled(engine: &Engine) {
    let settled = tokio::time::timeout(LONG, engine.settled()).await;
    assert!(settled.is_ok(), "{:?}", engine.status());
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

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_has_no_task_yet_starts_and_gets_them_later() {
    let group = Group::new();
    let engine = group.start(0).await;
    let receipt = ingest(&engine, vec![view("u", "a", "1")]).await;
    let lag = engine.status().lag.users;
    assert!(lag > 0, "nobody works");
    let running = group.run();
    let answer = recommend(&engine, "u", Some(&receipt)).await;
    assert_eq!(answer.fresh, Some(true));
    settled(&engine).await;
    running.abort();
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_from_one_engine_to_the_other_and_nothing_is_lost_or_done_twice() {
    const ROUNDS: u32 = 20;
    const VISITORS: u32 = 13;
    let group = Group::new();
    let running = group.run();
    let first = group.start(0).await;
    let mut second = group.start(1).await;
    let mut random = SplitMix64::new(1);
    for round in 0..ROUNDS {
        let views = (0..VISITORS).flat_map(|who| {
            let user = format!("u{who}");
            (0..3).map(move |n| {
                view(
                    &user,
                    &format!("p{}", (who + n) % 7),
                    &format!("{round}-{n}"),
                )
            })
        });
        let at = if round % 2 == 0 { &first } else { &second };
        let receipt = ingest(at, views.collect()).await;
        group.rebalance(&mut random);
        let asked = if round % 3 == 0 { &first } else { &second };
        let answer = recommend(asked, "u1", Some(&receipt)).await;
        assert_eq!(answer.fresh, Some(true), "round {round}");
        let made = product(&format!("made-{round}"), "lamps");
        let made = vec![(made, Expect::Absent)];
        assert!(asked.put_products(made, true).await.unwrap()[0].visible);
        if round == ROUNDS / 2 {
            second.shutdown().await;
            second = group.start(1).await;
        }
    }
    for engine in [&first, &second] {
        settled(engine).await;
        for who in 0..VISITORS {
            let user = UserId::new(&format!("u{who}")).unwrap();
            let state = engine.visitor(&Visitor::User(user)).await.unwrap().unwrap();
            assert_eq!(state.counters.of("view"), u64::from(3 * ROUNDS), "u{who}");
        }
    }
    let fresh = group.start(2).await;
    let want = popular(&fresh);
    assert_eq!(want.len() as u32, 7 + ROUNDS);
    assert_eq!(popular(&first), want);
    assert_eq!(popular(&second), want);
    for engine in [first, second, fresh] {
        engine.shutdown().await;
    }
    running.abort();
    let found = verify(&group.ports, &EngineOptions::default())
        .await
        .unwrap();
    assert_eq!(found.differences, 0, "{:?}", found.examples);
}
