//! The broker as text, for the message of a run that failed.

use super::core::Core;
use super::partition::Entry;
use std::fmt::Write as _;

/// Bytes of a record that are shown.
const SHOWN_BYTES: usize = 40;

impl Core {
    /// Everything there is, in a fixed order.
    pub(super) fn dump(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_to(&mut out);
        out
    }

    fn write_to(&self, out: &mut String) -> std::fmt::Result {
        for (&(topic, partition), kept) in &self.partitions {
            let (stable, end) = (kept.stable_end(), kept.end());
            writeln!(out, "{topic}/{}: stable {stable}, end {end}", partition.0)?;
            for (offset, entry) in kept.entries() {
                write!(out, "  {offset} ")?;
                match entry {
                    Entry::Record { bytes, transaction } => {
                        match transaction {
                            Some(number) => write!(out, "t{number} ")?,
                            None => write!(out, "plain ")?,
                        }
                        let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
                        writeln!(out, "{} bytes {}", bytes.len(), shown.escape_ascii())?;
                    }
                    Entry::Marker {
                        transaction,
                        ending,
                    } => writeln!(out, "t{transaction} {ending:?}")?,
                }
            }
        }
        for (consumer, next) in &self.committed {
            writeln!(out, "{} on {}: {next}", consumer.name, consumer.source)?;
        }
        for (number, open) in &self.open {
            writeln!(out, "open t{number}: {open:?}")?;
        }
        for (id, producer) in &self.producers {
            writeln!(out, "producer {id}: {producer:?}")?;
        }
        for (seat, sitting) in &self.seats {
            writeln!(out, "seat {seat}: {sitting:?}")?;
        }
        writeln!(out, "generation {}", self.group.generation)?;
        for (member, known) in &self.group.members {
            writeln!(out, "member {member}: {known:?}")?;
        }
        for (task, owner) in &self.group.owners {
            let (topic, partition) = (task.topic, task.partition.0);
            writeln!(out, "task {topic}/{partition}: {owner:?}")?;
        }
        Ok(())
    }
}
