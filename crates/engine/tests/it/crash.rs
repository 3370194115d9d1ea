//! Faults and crashes: whatever happens, the state equals that of a fresh engine fed the same log.

use crate::support::{clock, ports, raw};
use std::sync::Arc;
use std::time::Duration;
use vitrina_engine::{Engine, EngineOptions, RawEvent, verify};
use vitrina_ports::faulty::{FaultPlan, FaultRates, FaultyLog, FaultyState, SplitMix64};
use vitrina_ports::log::memory::MemoryLog;
use vitrina_ports::state::memory::MemoryState;

/// Seeds run in the test command.
const SEEDS: u64 = 12;
/// Nearly every call fails.
const BROKEN: FaultRates = FaultRates {
    before_per_mille: 900,
    after_per_mille: 50,
};
/// Rounds of events, a crash after each.
const ROUNDS: u64 = 6;

fn event(number: u64) -> RawEvent {
    let mut random = SplitMix64::new(number);
    let kind = ["view", "add_to_cart", "purchase", "return"][(random.next() % 4) as usize];
    raw(&format!(
        r#"{{"event_id":"e{number}","event_type":"{kind}","user_id":"u{}","anonymous_id":"a{}","product_id":"p{}","price":3}}"#,
        random.next() % 20,
        random.next() % 30,
        random.next() % 15,
    ))
}

/// Sends one batch until it is acknowledged.
async fn send(engine: &Engine, first: u64) -> u64 {
    loop {
        let batch = (first..first + 7).map(event).collect();
        if engine.ingest(batch, "test").await.is_ok() {
            return 7;
        }
        tokio::task::yield_now().await;
    }
}

async fn survive(seed: u64) {
    let rates = FaultRates {
        before_per_mille: 50,
        after_per_mille: 50,
    };
    let (log, state) = (
        Arc::new(MemoryLog::new()),
        Arc::new(MemoryState::with_crashes()),
    );
    let mut random = SplitMix64::new(seed);
    let mut sent = 0;
    let catalogue = ports(log.clone(), state.clone());
    for round in 0..ROUNDS {
        let plan = FaultPlan::new(seed ^ round, FaultRates::default());
        let state_plan = FaultPlan::new(!seed ^ round, FaultRates::default());
        let mut faulty = catalogue.clone();
        faulty.log = Arc::new(FaultyLog::new(Arc::clone(&log), Arc::clone(&plan)));
        faulty.state = Arc::new(FaultyState::new(
            Arc::clone(&state),
            Arc::clone(&state_plan),
        ));
        let engine = Engine::start(faulty, EngineOptions::default(), clock())
            .await
            .expect("starts on consistent stores");
        plan.set_rates(rates);
        state_plan.set_rates(rates);
        for _ in 0..10 {
            sent += send(&engine, sent).await;
        }
        if round % 2 == 0 {
            plan.set_rates(FaultRates::default());
            state_plan.set_rates(FaultRates::default());
            let settled = tokio::time::timeout(Duration::from_secs(30), engine.settled()).await;
            assert!(
                settled.is_ok(),
                "seed {seed}: once faults stop, everything is processed"
            );
        } else {
            // Stopped while the log does not work, but the state does.
            state_plan.set_rates(FaultRates::default());
            plan.set_rates(BROKEN);
            let before = engine.figures().reassigned.get();
            while engine.figures().reassigned.get() == before {
                // The same events as before: they count once.
                drop(engine.ingest((0..7).map(event).collect(), "test").await);
                tokio::task::yield_now().await;
            }
        }
        engine.shutdown().await;
        // The tail of the state is lost, back to any commit that was made.
        state.crash((random.next() % 200) as usize);
    }
    let engine = Engine::start(catalogue.clone(), EngineOptions::default(), clock())
        .await
        .expect("starts");
    engine.settled().await;
    engine.shutdown().await;
    let found = verify(&catalogue, &EngineOptions::default()).await.unwrap();
    assert_eq!(found.differences, 0, "seed {seed}: {:#?}", found.examples);
    let counted: u64 = found.events.values().sum();
    assert_eq!(counted, sent, "seed {seed}: counted against acknowledged");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_and_lost_tails_change_nothing() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        survive(seed).await;
    }
}
