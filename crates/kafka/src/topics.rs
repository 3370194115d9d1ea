//! Topics at the broker: made where they are missing, looked at where they are there.

use crate::client;
use crate::failure::{failed, unavailable};
use crate::options::KafkaOptions;
use crate::place::{Names, Place, Source};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::RDKafkaErrorCode;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use vitrina_ports::PortError;

/// How often the cluster is asked whether it knows a new topic yet, while it is being made.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);
/// Share of a compacted topic that may be outdated.
const DIRTY_RATIO: &str = "0.1";

/// A topic as it must be.
struct Wanted {
    name: String,
    partitions: u16,
    /// Only the newest record of a key is kept, for ever.
    is_compacted: bool,
}

fn wanted(options: &KafkaOptions, names: &Names) -> Vec<Wanted> {
    let topics = options.topics.iter().map(|&topic| Wanted {
        name: names.topic(Source::Log(topic)).to_owned(),
        partitions: options.partitions_of(topic),
        is_compacted: false,
    });
    let positions = Wanted {
        name: names.topic(Source::Positions).to_owned(),
        partitions: 1,
        is_compacted: true,
    };
    topics.chain([positions]).collect()
}

/// Every place there is.
pub(crate) fn places(options: &KafkaOptions) -> Vec<Place> {
    let keyed = options.topics.iter().flat_map(|&topic| {
        (0..options.partitions_of(topic)).map(move |partition| Place {
            source: Source::Log(topic),
            partition,
        })
    });
    keyed.chain([Place::POSITIONS]).collect()
}

/// Makes missing topics and checks how many partitions each has.
///
/// # Errors
/// `Invalid` where a topic has another number of partitions: records of one key would be spread
/// anew. `Unavailable`.
pub(crate) async fn prepare(options: &KafkaOptions, names: &Names) -> Result<(), PortError> {
    let admin: AdminClient<DefaultClientContext> =
        client::create(&client::any(options), DefaultClientContext)?;
    let admin = Arc::new(admin);
    let wanted = wanted(options, names);
    let found = partition_counts(&admin, options).await?;
    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| !found.contains_key(&topic.name))
        .collect();
    check(&wanted, &found)?;
    if missing.is_empty() {
        return Ok(());
    }
    create(&admin, &missing, options).await?;
    let until = Instant::now() + options.request_timeout;
    loop {
        let found = partition_counts(&admin, options).await?;
        check(&wanted, &found)?;
        if wanted.iter().all(|topic| found.contains_key(&topic.name)) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(unavailable(
                "topics that were created do not appear".to_owned(),
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn check(wanted: &[Wanted], found: &HashMap<String, usize>) -> Result<(), PortError> {
    for topic in wanted {
        let Some(&count) = found.get(&topic.name) else {
            continue;
        };
        if count != usize::from(topic.partitions) {
            return Err(PortError::Invalid {
                what: format!("topic {} with {count} partitions", topic.name),
                expected: "the number of partitions it was made with; changed only by replay into \
                           new topics",
            });
        }
    }
    Ok(())
}

/// Partitions of every topic of the cluster that has all its leaders.
async fn partition_counts(
    admin: &Arc<AdminClient<DefaultClientContext>>,
    options: &KafkaOptions,
) -> Result<HashMap<String, usize>, PortError> {
    let (admin, limit) = (Arc::clone(admin), options.request_timeout);
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = admin
            .inner()
            .fetch_metadata(None, limit)
            .map_err(|error| failed("ask for topics", &error))?;
        let counts = metadata.topics().iter().filter(|topic| {
            let mut partitions = topic.partitions().iter();
            topic.error().is_none() && partitions.all(|partition| partition.leader() >= 0)
        });
        let counts = counts.map(|topic| (topic.name().to_owned(), topic.partitions().len()));
        Ok(counts.collect())
    });
    asked
        .await
        .map_err(|error| unavailable(format!("ask for topics: {error}")))?
}

async fn create(
    admin: &AdminClient<DefaultClientContext>,
    missing: &[&Wanted],
    options: &KafkaOptions,
) -> Result<(), PortError> {
    let retention_ms = options.retention.as_millis().to_string();
    let min_insync = options.min_insync.to_string();
    let record_bytes = (client::RECORD_BYTES_MAX + 1_024).to_string();
    let topics = missing.iter().map(|topic| {
        let replication = TopicReplication::Fixed(i32::from(options.replication));
        let new = NewTopic::new(&topic.name, i32::from(topic.partitions), replication)
            .set("min.insync.replicas", &min_insync)
            .set("max.message.bytes", &record_bytes)
            // A leader that has not every acknowledged record would lose some.
            .set("unclean.leader.election.enable", "false");
        if topic.is_compacted {
            new.set("cleanup.policy", "compact")
                .set("min.cleanable.dirty.ratio", DIRTY_RATIO)
        } else {
            new.set("cleanup.policy", "delete")
                .set("retention.ms", &retention_ms)
        }
    });
    let topics: Vec<NewTopic<'_>> = topics.collect();
    let limits = AdminOptions::new()
        .request_timeout(Some(options.request_timeout))
        .operation_timeout(Some(options.request_timeout));
    let made = admin
        .create_topics(&topics, &limits)
        .await
        .map_err(|error| failed("create topics", &error))?;
    for result in made {
        match result {
            // Another process was first.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, code)) => {
                return Err(unavailable(format!("create topic {name}: {code}")));
            }
        }
    }
    Ok(())
}
