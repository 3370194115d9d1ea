//! What of the work one process does.
//!
//! The same engine in several processes shares the work: over one event log and one state store,
//! each does what its roles say, and waits for the others where it needs what they do.

/// The parts of the work. Together, the processes of a shop must do all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Roles {
    /// Works the stream, as a member of the group that its seats belong to. Any number of
    /// processes.
    pub stream: bool,
    /// Answers. One that does not keeps no item side: it refuses to recommend, and knows nothing
    /// popular. Any number of processes.
    pub answers: bool,
    /// What one process is enough for: the relay of the catalogue's outbox, the sinks, ticks,
    /// retention, and where it answers too, the questions that come over a topic. More than one
    /// do nothing twice, because whatever counts moves a position from where it was read, but
    /// they get into each other's way.
    pub chores: bool,
}

impl Roles {
    /// Everything: the one process of a shop.
    pub const fn all() -> Self {
        Self {
            stream: true,
            answers: true,
            chores: true,
        }
    }

    /// Whether it answers the questions that come over a topic.
    pub(crate) const fn has_questions(self) -> bool {
        self.answers && self.chores
    }
}
