//! Sending the sample: at a pace one can watch, or as fast as it is taken.

use super::sample::{Sample, SampleEvent};
use super::{Asker, DemoError};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrina_engine::{Engine, EngineError, RawEvent, Receipt};
use vitrina_types::time::EventTime;

/// Events per second at speed 1.
pub const EVENTS_PER_SECOND: f64 = 150.0;
/// How often a part is sent at a visible pace.
const SEND_EVERY: Duration = Duration::from_millis(20);
/// Events in one intake at full speed.
const BATCH: usize = 1_000;
/// How long a busy engine is left alone.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// The way these events come in, as dead letters name it.
const SOURCE: &str = "demo";

/// How fast to replay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// This many times [`EVENTS_PER_SECOND`].
    Times(f64),
    /// As fast as it is taken.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if (0.01..=1_000.0).contains(&times) => Ok(Self::Times(times)),
            _ => Err("a number from 0.01 to 1000, or max".to_owned()),
        }
    }
}

/// What was sent and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Events sent.
    pub read: u64,
    /// Events accepted.
    pub accepted: u64,
    /// Events refused.
    pub rejected: u64,
}

/// One replay of the sample, and then the next.
pub struct Replay {
    engine: Arc<Engine>,
    sample: Arc<Sample>,
    asker: Arc<Asker>,
    /// Makes ids of this process unlike those of the last one on the same directory.
    run: String,
    /// What was sent so far, in all rounds.
    pub sent: Sent,
}

impl Replay {
    /// A replay that has not begun. Visitors who are sent are told to `asker`.
    pub fn new(engine: Arc<Engine>, sample: Arc<Sample>, asker: Arc<Asker>) -> Self {
        let run = format!("{:x}", engine.now().0);
        Self {
            engine,
            sample,
            asker,
            run,
            sent: Sent::default(),
        }
    }

    /// Sends the whole sample once. `told` hears how many events were sent.
    ///
    /// At full speed its times are shifted to end now, and it is loaded as old data: days that pass
    /// in a second would be late as live ones. At a pace every event happens when it is sent.
    ///
    /// # Errors
    /// The engine's, other than being busy.
    pub async fn round(
        &mut self,
        round: u64,
        speed: Speed,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), DemoError> {
        match speed {
            Speed::Max => self.at_once(round, told).await,
            Speed::Times(times) => self.at_pace(round, times * EVENTS_PER_SECOND, told).await,
        }
    }

    async fn at_once(
        &mut self,
        round: u64,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), DemoError> {
        let sample = Arc::clone(&self.sample);
        let shift_ms = self.engine.now().as_event_time().since_ms(sample.ends());
        let mut sent = 0;
        for part in sample.events.chunks(BATCH) {
            let shifted =
                |event: &SampleEvent| event.draft.event_time.map(|at| at.plus_ms(shift_ms));
            let from = sent;
            sent += part.len() as u64;
            self.load(part, round, from, shifted).await?;
            told(sent);
        }
        Ok(())
    }

    async fn at_pace(
        &mut self,
        round: u64,
        per_second: f64,
        told: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), DemoError> {
        let sample = Arc::clone(&self.sample);
        let (began, mut sent) = (Instant::now(), 0);
        let mut ticks = tokio::time::interval(SEND_EVERY);
        while sent < sample.events.len() {
            ticks.tick().await;
            let due = (began.elapsed().as_secs_f64() * per_second) as usize;
            let until = due.clamp(sent, sample.events.len());
            // A part at a time, also when we are behind.
            for part in sample.events[sent..until].chunks(BATCH) {
                let now = self.engine.now().as_event_time();
                self.send(part, round, |_| Some(now)).await?;
            }
            sent = until;
            told(sent as u64);
        }
        Ok(())
    }

    /// Loads a part as old data; `from`: how many events of the round went before it.
    async fn load(
        &mut self,
        part: &[SampleEvent],
        round: u64,
        from: u64,
        at: impl Fn(&SampleEvent) -> Option<EventTime>,
    ) -> Result<(), DemoError> {
        let events = part.iter();
        let events = events.map(|event| self.renamed(event, round, at(event)));
        let (source, next) = (
            format!("{SOURCE}-{}-{round}", self.run),
            from + part.len() as u64,
        );
        let expected = (from > 0).then_some(from);
        let import = self
            .engine
            .import(&source, expected, next, events.collect());
        let receipt = import.await?;
        self.count(part, &receipt);
        Ok(())
    }

    fn count(&mut self, part: &[SampleEvent], receipt: &Receipt) {
        self.sent.read += part.len() as u64;
        self.sent.accepted += receipt.accepted as u64;
        self.sent.rejected += receipt.rejected.len() as u64;
        self.asker.saw(part);
    }

    async fn send(
        &mut self,
        part: &[SampleEvent],
        round: u64,
        at: impl Fn(&SampleEvent) -> Option<EventTime>,
    ) -> Result<(), DemoError> {
        if part.is_empty() {
            return Ok(());
        }
        let events: Vec<RawEvent> = part
            .iter()
            .map(|event| self.renamed(event, round, at(event)))
            .collect();
        let receipt = loop {
            match self.engine.ingest(events.clone(), SOURCE).await {
                Err(EngineError::Overloaded { .. }) => tokio::time::sleep(RETRY_AFTER).await,
                other => break other?,
            }
        };
        self.count(part, &receipt);
        Ok(())
    }

    /// The event as one of this round: a new id, in a session of this round.
    fn renamed(&self, event: &SampleEvent, round: u64, at: Option<EventTime>) -> RawEvent {
        let mut draft = event.draft.clone();
        let suffix = format!("-{}-{round}", self.run);
        if let Some(id) = &mut draft.event_id {
            id.push_str(&suffix);
        }
        if let Some(session) = &mut draft.session_id {
            session.push_str(&suffix);
        }
        draft.event_time = at;
        RawEvent::Draft(Box::new(draft), event.row.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_cases() {
        #[rustfmt::skip]
        let cases = [
            ("1", Some(Speed::Times(1.0))), ("0.5", Some(Speed::Times(0.5))), ("max", Some(Speed::Max)),
            ("0", None), ("-1", None), ("NaN", None), ("inf", None), ("fast", None), ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Speed>().ok(), want, "{text}");
        }
    }
}
