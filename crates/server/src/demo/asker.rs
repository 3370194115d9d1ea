//! Asking for recommendations for visitors who are there.

use super::sample::SampleEvent;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use vitrina_engine::{Engine, EngineError, RecommendRequest, Visitor};
use vitrina_pipeline::Query;
use vitrina_types::id::{PlacementId, UserId};

/// Visitors remembered as being there.
const THERE_MAX: usize = 200;
/// Answers per second while the sample is replayed.
const ANSWERS_PER_SECOND: f64 = 30.0;
/// Items asked for.
const ITEMS: usize = 10;
/// Longest answer told apart, in microseconds.
const LONGEST_US: u64 = 60_000_000;

/// What asking a number of visitors gave.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Answers {
    /// Answers given.
    pub count: u64,
    /// Answers with nothing in them.
    pub empty: u64,
    /// Half took less, in milliseconds.
    pub p50_ms: f64,
    /// 99 % took less, in milliseconds.
    pub p99_ms: f64,
}

/// Asks.
pub struct Asker {
    engine: Arc<Engine>,
    there: Mutex<VecDeque<UserId>>,
}

impl Asker {
    /// Nobody is there yet.
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            there: Mutex::default(),
        }
    }

    /// These visitors just did something.
    pub fn saw(&self, events: &[SampleEvent]) {
        let newest = events.iter().rev().take(THERE_MAX).rev();
        let ids = newest.filter_map(|event| UserId::new(event.draft.user_id.as_deref()?).ok());
        let mut there = self.there.lock();
        there.extend(ids);
        let over = there.len().saturating_sub(THERE_MAX);
        there.drain(..over);
    }

    /// Asks for visitors who are there, until it is dropped.
    pub async fn run(&self) {
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / ANSWERS_PER_SECOND));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Steps through those who are there without order: 7 has no factor in common with 200.
        let mut step = 0;
        loop {
            ticks.tick().await;
            step += 7;
            let somebody = {
                let there = self.there.lock();
                there.get(step % there.len().max(1)).cloned()
            };
            let Some(user) = somebody else { continue };
            if let Err(error) = self.ask(Visitor::User(user)).await {
                tracing::debug!(%error, "no answer");
            }
        }
    }

    /// Asks once for each of `visitors`.
    ///
    /// # Errors
    /// The engine's.
    pub async fn ask_all(&self, visitors: Vec<Visitor>) -> Result<Answers, EngineError> {
        // The bounds are constants inside the documented ones; without a histogram there is
        // still the count.
        let mut took = Histogram::<u64>::new_with_max(LONGEST_US, 3).ok();
        let mut answers = Answers::default();
        for visitor in visitors {
            let began = Instant::now();
            let items = self.ask(visitor).await?;
            answers.count += 1;
            answers.empty += u64::from(items == 0);
            if let Some(took) = &mut took {
                took.saturating_record(began.elapsed().as_micros() as u64);
            }
        }
        if let Some(took) = took {
            let ms = |quantile| took.value_at_quantile(quantile) as f64 / 1_000.0;
            (answers.p50_ms, answers.p99_ms) = (ms(0.5), ms(0.99));
        }
        Ok(answers)
    }

    async fn ask(&self, visitor: Visitor) -> Result<usize, EngineError> {
        let Ok(placement) = PlacementId::new("home") else {
            return Ok(0);
        };
        let now = self.engine.now().as_event_time();
        let request = RecommendRequest::new(Some(visitor), Query::new(now, placement, ITEMS));
        Ok(self.engine.recommend(request).await?.items.len())
    }
}
