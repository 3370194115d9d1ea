//! What a demo came to, in numbers that must add up.

use super::asker::Answers;
use super::replay::Sent;
use serde::Serialize;
use std::fmt;
use std::time::Duration;
use vitrina_engine::{Engine, EngineError, Visitor};

/// Where the events went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Events of the sample sent.
    pub read: u64,
    /// Events found in the state of visitors afterwards.
    pub applied: u64,
    /// Events left out because their id was counted before. Every id is sent once, so this is 0
    /// unless the engine is wrong.
    pub duplicate: u64,
    /// Events refused.
    pub rejected: u64,
}

/// How long it took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Timings {
    /// To load the catalogue; 0 when it was there.
    pub load_ms: u64,
    /// To send the events.
    pub replay_ms: u64,
    /// From the last event until all were applied.
    pub settle_ms: u64,
    /// Events sent and applied, per second.
    pub events_per_second: f64,
}

/// What a demo came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Where the events went.
    pub events: Events,
    /// Visitors with state.
    pub users: u64,
    /// Products known.
    pub products: u64,
    /// Answers for a sample of visitors at the end.
    pub answers: Answers,
    /// How long it took.
    pub timings: Timings,
}

impl Summary {
    /// Puts the numbers together.
    pub fn new(
        sent: Sent,
        applied: u64,
        counts: (u64, u64),
        answers: Answers,
        (load, replay, settle): (Duration, Duration, Duration),
    ) -> Self {
        let whole = (replay + settle).as_secs_f64();
        let ms = |took: Duration| took.as_millis() as u64;
        Self {
            events: Events {
                read: sent.read,
                applied,
                duplicate: 0,
                rejected: sent.rejected,
            },
            users: counts.0,
            products: counts.1,
            answers,
            timings: Timings {
                load_ms: ms(load),
                replay_ms: ms(replay),
                settle_ms: ms(settle),
                events_per_second: if whole > 0.0 {
                    (sent.read as f64 / whole).round()
                } else {
                    0.0
                },
            },
        }
    }

    /// Whether every event is accounted for and every visitor was answered.
    pub fn adds_up(&self) -> bool {
        let Events {
            read,
            applied,
            duplicate,
            rejected,
        } = self.events;
        applied + duplicate + rejected == read && self.answers.empty == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, answers, timings) = (&self.events, &self.answers, &self.timings);
        write!(
            f,
            "{} events sent, {} applied, {} refused · {:.0}/s\n\
             {} visitors, {} products\n\
             {} answers, {} of them empty · p50 {:.2} ms, p99 {:.2} ms",
            events.read,
            events.applied,
            events.rejected,
            timings.events_per_second,
            self.users,
            self.products,
            answers.count,
            answers.empty,
            answers.p50_ms,
            answers.p99_ms
        )
    }
}

/// Events counted in the state of these visitors.
///
/// # Errors
/// The state store's.
pub async fn applied(engine: &Engine, visitors: &[Visitor]) -> Result<u64, EngineError> {
    let mut total = 0;
    for visitor in visitors {
        let state = engine.visitor(visitor).await?;
        total += state.map_or(0, |state| state.counters.total());
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_must_add_up() {
        let answers = |empty| Answers {
            count: 5,
            empty,
            ..Answers::default()
        };
        let sent = |read, rejected| Sent {
            read,
            accepted: read - rejected,
            rejected,
        };
        let zero = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        #[rustfmt::skip]
        let cases = [
            ("all applied", sent(10, 0), 10, 0, true),
            ("one refused", sent(10, 1), 9,  0, true),
            ("one lost",    sent(10, 0), 9,  0, false),
            ("one twice",   sent(10, 0), 11, 0, false),
            ("no answer",   sent(10, 0), 10, 1, false),
        ];
        for (name, sent, applied, empty, want) in cases {
            let summary = Summary::new(sent, applied, (1, 1), answers(empty), zero);
            assert_eq!(summary.adds_up(), want, "{name}");
        }
    }
}
