//! Records of `dead-letters`: what could not be processed.

use crate::event::Rejection;
use crate::partition::Partition;
use crate::stored::Stored;
use crate::time::IngestTime;
use crate::topic::Topic;
use serde::{Deserialize, Serialize};

/// A record of `dead-letters`: something that could not be processed, with its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it was given up.
    pub ingest_time: IngestTime,
    /// Where it came from: `POST /v1/events`, `import:<file>`, `user-events/7@42`.
    pub source: Box<str>,
    /// Why.
    pub rejection: Rejection,
    /// How often it was tried.
    pub attempts: u32,
    /// The input, cut to [`crate::limits::DEAD_LETTER_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
}

impl Stored for DeadLetter {
    const NAME: &'static str = "dead letter";
    const VERSION: u8 = 1;
}

impl DeadLetter {
    /// Topic, partition and offset of the record it was; `None` for what never became one (it
    /// came over HTTP or from a file).
    pub fn place(&self) -> Option<(Topic, Partition, u64)> {
        let (topic, rest) = self.source.rsplit_once('/')?;
        let (partition, offset) = rest.split_once('@')?;
        let topic = Topic::ALL.iter().find(|known| known.name() == topic)?;
        let partition = Partition(partition.parse().ok()?);
        Some((*topic, partition, offset.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        #[rustfmt::skip]
        let cases = [
            ("user-events/7@42",     Some((Topic::UserEvents, Partition(7), 42))),
            ("row-signals/31@0",     Some((Topic::RowSignals, Partition(31), 0))),
            ("POST /v1/events",      None),
            ("import:events.csv",    None),
            ("user-events/x@1",      None),
        ];
        for (source, want) in cases {
            let letter = DeadLetter {
                ingest_time: IngestTime(0),
                source: source.into(),
                rejection: Rejection::new("gave_up", "", String::new()),
                attempts: 1,
                bytes: Vec::new(),
            };
            assert_eq!(letter.place(), want, "{source}");
        }
    }
}
