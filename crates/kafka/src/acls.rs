//! What each role of Vitrina may do at the broker, and nothing more.
//!
//! Printed as commands of Kafka's own tool, because whoever may grant rights is not us.

use crate::place::{Names, Source};
use vitrina_types::topic::Topic;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Makes the topics, once; then nothing.
    Setup,
    /// Takes in events and questions, answers, serves the console.
    Api,
    /// Runs stages and sinks.
    Stream,
    /// Carries changes of the catalogue into the log.
    Relay,
    /// Trains models.
    Train,
    /// Takes checkpoints.
    Checkpoint,
}

/// Rights of a role.
struct Rights {
    reads: &'static [Topic],
    writes: &'static [Topic],
    /// Beginnings of transactional ids, and whole ones.
    ids: &'static [(&'static str, Pattern)],
    /// Whether it is a member of the workers' group. Everybody may look at its positions.
    joins: bool,
}

#[derive(Clone, Copy)]
enum Pattern {
    Literal,
    Prefixed,
}

impl Pattern {
    fn name(self) -> &'static str {
        match self {
            Self::Literal => "literal",
            Self::Prefixed => "prefixed",
        }
    }
}

/// Topics that stages read.
const INPUTS: &[Topic] = &[
    Topic::UserEvents,
    Topic::ShopProducts,
    Topic::ProductSignals,
    Topic::SlateSignals,
    Topic::RowSignals,
];

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[
        Self::Setup,
        Self::Api,
        Self::Stream,
        Self::Relay,
        Self::Train,
        Self::Checkpoint,
    ];

    fn rights(self) -> Rights {
        match self {
            Self::Setup => Rights {
                reads: &[],
                writes: &[],
                ids: &[],
                joins: false,
            },
            Self::Api => Rights {
                reads: &[Topic::RecommendationsResults, Topic::DeadLetters],
                writes: &[
                    Topic::UserEvents,
                    Topic::ShopProducts,
                    Topic::SlateSignals,
                    Topic::RecommendationsResults,
                    Topic::ClientRecommendations,
                    Topic::DeadLetters,
                ],
                ids: &[
                    ("append-", Pattern::Prefixed),
                    ("publish-import", Pattern::Literal),
                ],
                joins: false,
            },
            Self::Stream => Rights {
                reads: Topic::ALL,
                writes: Topic::ALL,
                ids: &[
                    ("append-", Pattern::Prefixed),
                    ("engine-", Pattern::Prefixed),
                    ("publish-", Pattern::Prefixed),
                ],
                joins: true,
            },
            Self::Relay => Rights {
                reads: &[],
                writes: &[
                    Topic::ProductSignals,
                    Topic::ShopProducts,
                    Topic::ProductNew,
                    Topic::ProductUpdate,
                ],
                ids: &[("publish-relay", Pattern::Literal)],
                joins: false,
            },
            Self::Train => Rights {
                reads: &[
                    Topic::UserEvents,
                    Topic::ProductSignals,
                    Topic::SlateSignals,
                    Topic::RecommendationsResults,
                ],
                writes: &[],
                ids: &[],
                joins: false,
            },
            Self::Checkpoint => Rights {
                reads: INPUTS,
                writes: &[],
                ids: &[],
                joins: false,
            },
        }
    }
}

/// Commands that grant `role` to `principal` (`User:vitrina-api`) under a prefix of topics, group
/// and transactional ids. `kafka-acls` takes its broker and credentials as it is used to.
pub fn acls(prefix: &str, role: Role, principal: &str) -> Vec<String> {
    let names = Names::new(prefix);
    let add = |operations: &[&str], resource: String| {
        let operations: Vec<String> = operations
            .iter()
            .map(|operation| format!("--operation {operation}"))
            .collect();
        let operations = operations.join(" ");
        format!("kafka-acls --add --allow-principal '{principal}' {operations} {resource}")
    };
    let every = Topic::ALL.iter().map(|topic| Source::Log(*topic));
    let every: Vec<Source> = every.chain([Source::Positions]).collect();
    let rights = role.rights();
    let mut all = Vec::new();
    for source in &every {
        let mut operations = Vec::new();
        let (reads, writes) = match source {
            Source::Log(topic) => (rights.reads.contains(topic), rights.writes.contains(topic)),
            // Whoever opens the log reads them, to see that they are within its topics.
            Source::Positions => (true, !rights.ids.is_empty()),
        };
        if role == Role::Setup {
            operations.push("Create");
        }
        if reads {
            operations.push("Read");
        }
        if writes {
            operations.push("Write");
        }
        // Bounds and numbers of partitions are looked at by everybody.
        operations.push("Describe");
        all.push(add(
            &operations,
            format!("--topic '{}'", names.topic(*source)),
        ));
    }
    for (id, pattern) in rights.ids {
        let (id, pattern) = (format!("{prefix}{id}"), pattern.name());
        let resource = format!("--transactional-id '{id}' --resource-pattern-type {pattern}");
        all.push(add(&["Write", "Describe"], resource));
    }
    if role != Role::Setup {
        let operation = if rights.joins { "Read" } else { "Describe" };
        all.push(add(&[operation], format!("--group '{}'", names.group())));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever changes what a role may do changes this file too.
    #[test]
    fn roles_may_do_what_the_golden_file_says() {
        let mut all = String::new();
        for role in Role::ALL {
            all.push_str(&format!("# {role:?}\n"));
            for line in acls("shop-a.", *role, "User:vitrina") {
                all.push_str(&line);
                all.push('\n');
            }
        }
        assert_eq!(all, include_str!("acls.golden"), "now:\n{all}");
    }

    /// Nobody but the workers may join their group or end their transactions.
    #[test]
    fn only_stream_is_a_worker() {
        for role in Role::ALL {
            let text = acls("p.", *role, "User:x").join("\n");
            let is_worker = *role == Role::Stream;
            assert_eq!(text.contains("'p.engine-'"), is_worker, "{role:?}");
            assert_eq!(
                text.contains("--operation Read --group"),
                is_worker,
                "{role:?}"
            );
        }
    }
}
