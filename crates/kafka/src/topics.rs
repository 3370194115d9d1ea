//! Topics at the broker: made where they are missing, looked at where they are there.

use crate::client;
use crate::failure::{failed, is_refusal, unavailable};
use crate::options::KafkaOptions;
use crate::patience::{is_transient, patiently};
use crate::place::{Names, Place, Source};
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vitrina_ports::PortError;
use vitrina_types::topic::Topic;

/// How often the cluster is asked whether it knows a new topic yet, while it is being made.
const LOOK: Duration = Duration::from_millis(20);
/// Events of a client looked at for the reason of a failure.
const EVENTS_MAX: usize = 64;
/// Share of a compacted topic that may be outdated.
const DIRTY_RATIO: &str = "0.1";

/// A topic as it must be.
struct Wanted {
    name: String,
    partitions: u16,
    /// Only the newest record of a key is kept, for ever.
    is_compacted: bool,
    /// Others may write it: its records bear the broker's time, not that of a client's clock.
    is_foreign: bool,
}

fn wanted(options: &KafkaOptions, names: &Names) -> Vec<Wanted> {
    let topics = options.topics.iter().map(|&topic| Wanted {
        name: names.topic(Source::Log(topic)).to_owned(),
        partitions: options.partitions_of(topic),
        is_compacted: false,
        is_foreign: topic == Topic::UserEvents,
    });
    let positions = Wanted {
        name: names.topic(Source::Positions).to_owned(),
        partitions: 1,
        is_compacted: true,
        is_foreign: false,
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
    let looker: Arc<BaseConsumer<Door>> =
        Arc::new(client::create(&client::any(options), Door::default())?);
    let wanted = wanted(options, names);
    let until = Instant::now() + options.request_timeout;
    let mut is_made = false;
    loop {
        let found = partition_counts(&looker, options).await?;
        check(&wanted, &found)?;
        let missing: Vec<&Wanted> = wanted
            .iter()
            .filter(|topic| !found.contains_key(&topic.name))
            .collect();
        let Some(first) = missing.first() else {
            return Ok(());
        };
        if Instant::now() >= until {
            return Err(unavailable(format!(
                "topic {} has not all its leaders, or was created and does not appear",
                first.name
            )));
        }
        if !is_made {
            is_made = create(&admin, &missing, options).await?;
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
    looker: &Arc<BaseConsumer<Door>>,
    options: &KafkaOptions,
) -> Result<HashMap<String, usize>, PortError> {
    let (looker, limit) = (Arc::clone(looker), options.request_timeout);
    let asked = tokio::task::spawn_blocking(move || {
        let metadata = patiently(limit, |left| {
            let asked = looker.fetch_metadata(None, left);
            asked.map_err(|error| told(&looker, error))
        });
        let metadata = metadata.map_err(|error| failed("ask for topics", &error))?;
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

/// Notes why the broker and we do not come together. The request that waits for it is only not
/// answered.
#[derive(Default)]
struct Door(Mutex<Option<KafkaError>>);

impl ClientContext for Door {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, text: &str) {
        client::tell(level, fac, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "asking kafka for its topics");
        let code = error.rdkafka_error_code();
        if code.is_some_and(|code| is_refusal(code) || code == RDKafkaErrorCode::SSL) {
            *self.0.lock() = Some(error);
        }
    }
}

impl ConsumerContext for Door {}

/// Why a request went wrong.
fn told(looker: &BaseConsumer<Door>, error: KafkaError) -> KafkaError {
    for _ in 0..EVENTS_MAX {
        if let Some(Err(said)) = looker.poll(Duration::ZERO) {
            looker.context().error(said, "");
        }
    }
    looker.context().0.lock().take().unwrap_or(error)
}

/// Answers whether all were made; where the cluster was not ready, some were not.
async fn create(
    admin: &AdminClient<DefaultClientContext>,
    missing: &[&Wanted],
    options: &KafkaOptions,
) -> Result<bool, PortError> {
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
        let new = match topic.is_foreign {
            true => new.set("message.timestamp.type", "LogAppendTime"),
            false => new,
        };
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
    let mut is_all = true;
    for result in made {
        match result {
            // Another process was first.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((_, code)) if is_transient(code) => is_all = false,
            Err((name, code)) => {
                let error = KafkaError::Global(code);
                return Err(failed(&format!("create topic {name}"), &error));
            }
        }
    }
    Ok(is_all)
}
