//! Dead letters: looking at them, and taking them in once more.
//!
//! What came as an event is read again and, if it is good now, counted once by its event id,
//! however often it is taken in; one that came without an id gets the same one every time. A
//! record of a topic goes back to where it was read from, and is applied once for each replay.

use crate::Engine;
use crate::error::EngineError;
use crate::ingest::{self, Again, Sorted};
use crate::newest::{self, ONLY};
use crate::shared::Shared;
use std::collections::BTreeSet;
use std::time::Instant;
use vitrina_ports::PortError;
use vitrina_ports::log::Offset;
use vitrina_ports::state::Space;
use vitrina_types::event::Rejection;
use vitrina_types::limits::DEAD_LETTER_BYTES_MAX;
use vitrina_types::partition::{PARTITIONS, Partition};
use vitrina_types::record::DeadLetter;
use vitrina_types::stored;
use vitrina_types::topic::Topic;

/// Dead letters replayed in one call.
pub const REPLAYS_PER_CALL_MAX: usize = 1_000;
/// Bytes of dead letters replayed in one call: one write to the log.
const REPLAY_BYTES_MAX: usize = 16 * 1_024 * 1_024;
/// Dead letters looked at in one call.
const LOOKED_AT_MAX: u64 = 100_000;
/// What an import's letters name as their source begins with this.
const IMPORT: &str = "import:";

/// Which dead letters are to be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayChoice {
    /// Those with these numbers, at most [`REPLAYS_PER_CALL_MAX`].
    Numbers(Vec<Offset>),
    /// All from `from` on and before `until`, oldest first, as many as fit into one call.
    Range {
        /// Only those with this code.
        code: Option<String>,
        /// The first number.
        from: Offset,
        /// The number to stop before; `None` for the end as it is now.
        until: Option<Offset>,
    },
}

/// What became of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replay {
    /// Numbers of those that were taken in again.
    pub replayed: Vec<Offset>,
    /// Those that are still bad, and why; each is a new dead letter besides.
    pub still_bad: Vec<(Offset, Rejection)>,
    /// Those that cannot be taken in again, and why; nothing was written of them.
    pub refused: Vec<(Offset, Rejection)>,
    /// Where a range goes on; `None` when it is done.
    pub next: Option<Offset>,
    /// Where it stops: what the next call of the same range takes, so that new letters do not
    /// prolong it.
    pub until: Offset,
}

/// What one call is about.
#[derive(Default)]
struct Chosen {
    letters: Vec<(Offset, DeadLetter)>,
    bytes: usize,
    replay: Replay,
}

impl Chosen {
    /// Whether one more letter is too much for one call.
    fn is_full(&self) -> bool {
        self.letters.len() >= REPLAYS_PER_CALL_MAX || self.bytes >= REPLAY_BYTES_MAX
    }

    fn add(&mut self, number: Offset, letter: DeadLetter) {
        self.bytes += letter.bytes.len();
        self.letters.push((number, letter));
    }

    fn refuse(&mut self, number: Offset, code: &'static str, detail: impl Into<String>) {
        let refusal = Rejection::new(code, "", detail);
        self.replay.refused.push((number, refusal));
    }
}

impl Engine {
    /// The newest dead letters before `before`, newest first, with their numbers.
    ///
    /// # Errors
    /// The log's.
    pub async fn dead_letters(
        &self,
        before: Option<Offset>,
        limit: usize,
    ) -> Result<Vec<(Offset, DeadLetter)>, EngineError> {
        newest::newest(&self.shared, Topic::DeadLetters, before, limit).await
    }

    /// The dead letter with this number.
    ///
    /// # Errors
    /// The log's.
    pub async fn dead_letter(&self, number: Offset) -> Result<Option<DeadLetter>, EngineError> {
        newest::one(&self.shared, Topic::DeadLetters, number).await
    }

    /// Takes dead letters in again.
    ///
    /// # Errors
    /// `TooLarge` for too many numbers, `Overloaded`, the log's; nothing was taken in then.
    pub async fn replay_dead_letters(&self, choice: ReplayChoice) -> Result<Replay, EngineError> {
        let began = Instant::now();
        let shared = &*self.shared;
        ingest::check_lag(shared, Space::Users)?;
        let chosen = match choice {
            ReplayChoice::Numbers(numbers) => by_number(shared, numbers).await?,
            ReplayChoice::Range { code, from, until } => {
                in_range(shared, code, from, until).await?
            }
        };
        let (sorted, replay) = sort(shared, chosen);
        ingest::write(shared, sorted, began).await?;
        Ok(replay)
    }
}

/// What is to be written of the letters chosen, and what is to be said of them.
fn sort(shared: &Shared, mut chosen: Chosen) -> (Sorted, Replay) {
    let mut sorted = Sorted::new();
    for (number, letter) in std::mem::take(&mut chosen.letters) {
        match way_back(&letter) {
            Ok(WayBack::Record(topic, partition)) => {
                sorted.keep_record(topic, partition, &letter.bytes);
                chosen.replay.replayed.push(number);
            }
            Ok(WayBack::Event) => {
                let again = Again {
                    letter: &letter,
                    // The same every time, so that it counts once.
                    event_id: format!("dead-letter-{number}"),
                    backfill: letter.source.starts_with(IMPORT),
                };
                match ingest::sort_again(shared, &mut sorted, &again) {
                    Ok(()) => chosen.replay.replayed.push(number),
                    Err(rejection) => chosen.replay.still_bad.push((number, rejection)),
                }
            }
            Err((code, detail)) => chosen.refuse(number, code, detail),
        }
    }
    chosen
        .replay
        .refused
        .sort_unstable_by_key(|refused| refused.0);
    (sorted, chosen.replay)
}

async fn by_number(shared: &Shared, numbers: Vec<Offset>) -> Result<Chosen, EngineError> {
    if numbers.len() > REPLAYS_PER_CALL_MAX {
        return Err(EngineError::Port(PortError::TooLarge {
            what: "dead letters",
            got: numbers.len(),
            limit: REPLAYS_PER_CALL_MAX,
        }));
    }
    let mut chosen = Chosen::default();
    for number in BTreeSet::from_iter(numbers) {
        if chosen.is_full() {
            let detail = format!("one call replays at most {REPLAY_BYTES_MAX} bytes; ask again");
            chosen.refuse(number, "too_many_bytes", detail);
            continue;
        }
        match newest::one(shared, Topic::DeadLetters, number).await? {
            Some(letter) => chosen.add(number, letter),
            None => chosen.refuse(
                number,
                "not_found",
                "there is no dead letter with this number",
            ),
        }
    }
    chosen.replay.until = shared.ports.log.bounds(Topic::DeadLetters, ONLY).end;
    Ok(chosen)
}

async fn in_range(
    shared: &Shared,
    code: Option<String>,
    from: Offset,
    until: Option<Offset>,
) -> Result<Chosen, EngineError> {
    let log = &shared.ports.log;
    let bounds = log.bounds(Topic::DeadLetters, ONLY);
    let end = until.unwrap_or(bounds.end).min(bounds.end);
    let begin = from.max(bounds.start);
    let mut at = begin;
    let mut chosen = Chosen::default();
    chosen.replay.until = end;
    while at < end && !chosen.is_full() && at - begin < LOOKED_AT_MAX {
        let bytes_max = newest::READ_BYTES;
        let records = log.read(Topic::DeadLetters, ONLY, at, bytes_max).await?;
        if records.is_empty() {
            break;
        }
        for record in records {
            if record.offset >= end || chosen.is_full() {
                break;
            }
            at = record.offset + 1;
            let Ok(letter) = stored::decode::<DeadLetter>(&record.bytes) else {
                continue;
            };
            let is_wanted = |code: &String| letter.rejection.code == *code;
            if code.as_ref().is_none_or(is_wanted) {
                chosen.add(record.offset, letter);
            }
        }
    }
    chosen.replay.next = Some(at).filter(|&at| at < end);
    Ok(chosen)
}

/// Where a dead letter is taken in again.
enum WayBack {
    /// Through intake.
    Event,
    /// Onto its topic.
    Record(Topic, Partition),
}

fn way_back(letter: &DeadLetter) -> Result<WayBack, (&'static str, String)> {
    if !is_whole(letter) {
        let detail = format!("only the first {DEAD_LETTER_BYTES_MAX} bytes of it are kept");
        return Err(("cut", detail));
    }
    if let Some((topic, partition, _)) = letter.place() {
        let partitions = if topic.is_keyed() { PARTITIONS } else { 1 };
        if partition.0 >= partitions || topic == Topic::DeadLetters {
            let detail = format!("{topic} has no partition {} to go back to", partition.0);
            return Err(("no_way_back", detail));
        }
        return Ok(WayBack::Record(topic, partition));
    }
    let is_object = letter.bytes.trim_ascii_start().first() == Some(&b'{');
    if letter.source.starts_with(IMPORT) && !is_object {
        let detail = "a row of a table is read by its header, which is in the file: mend the file \
                      and import it; rows that counted do not count again";
        return Err(("not_json", detail.to_owned()));
    }
    Ok(WayBack::Event)
}

/// Whether the bytes of a dead letter are all there were.
pub fn is_whole(letter: &DeadLetter) -> bool {
    letter.bytes.len() < DEAD_LETTER_BYTES_MAX
}
