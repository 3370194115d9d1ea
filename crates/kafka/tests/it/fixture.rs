//! What the tests share: the broker, and a prefix of its own for each test.

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset as At, TopicPartitionList};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vitrina_kafka::KafkaOptions;
use vitrina_ports::log::{Append, Consumed, Consumer as Who, Offset, Records};
use vitrina_types::partition::Partition;
use vitrina_types::topic::Topic;

/// A producer that knows nothing of ours.
pub(crate) type Raw = ThreadedProducer<DefaultProducerContext>;

/// Where the broker is.
const ADDRESS: &str = "VITRINA_TEST_KAFKA";
/// Set to 1, tests that need a service pass without having shown anything.
const WITHOUT: &str = "VITRINA_WITHOUT_SERVICES";
/// After this long a wait has failed.
const DEADLINE: Duration = Duration::from_secs(30);
/// Pause between two looks at a condition.
const LOOK: Duration = Duration::from_millis(10);

/// The broker's address; `None` where tests are to do without.
pub(crate) fn broker() -> Option<String> {
    if let Ok(address) = std::env::var(ADDRESS) {
        return Some(address);
    }
    if std::env::var(WITHOUT).is_ok_and(|set| set == "1") {
        eprintln!("{WITHOUT}=1: nothing was shown about Kafka");
        return None;
    }
    panic!("{ADDRESS} is not set: start a broker with `cargo xtask services up`");
}

/// Options of a test: a prefix that nobody else has, two topics of few partitions.
pub(crate) fn options(address: &str) -> KafkaOptions {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Of three brokers all three are made use of.
    let (replication, min_insync) = match address.split(',').count() {
        ..3 => (1, 1),
        3.. => (3, 2),
    };
    KafkaOptions {
        replication,
        min_insync,
        bootstrap: address.to_owned(),
        prefix: format!("t{}-{}-{count}.", std::process::id(), now.as_millis()),
        topics: vec![Topic::UserEvents, Topic::ProductSignals],
        partitions: 4,
        ..KafkaOptions::default()
    }
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < until, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(LOOK);
    }
}

/// The options of a test, or the end of it where it is to do without a broker.
macro_rules! options_or_return {
    () => {
        match $crate::fixture::broker() {
            Some(address) => $crate::fixture::options(&address),
            None => return,
        }
    };
}
pub(crate) use options_or_return;

pub(crate) fn raw(options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &options.bootstrap);
    config
}

/// What a topic is called at the broker.
pub(crate) fn topic_name(options: &KafkaOptions, topic: Topic) -> String {
    format!("{}{topic}", options.prefix)
}

/// A transactional producer with an id under the prefix, whose transactions last a minute.
pub(crate) fn producer(options: &KafkaOptions, id: &str) -> Raw {
    let producer: Raw = raw(options)
        .set("transactional.id", format!("{}{id}", options.prefix))
        .set("transaction.timeout.ms", "60000")
        .create()
        .unwrap();
    producer.init_transactions(DEADLINE).unwrap();
    producer
}

pub(crate) fn admin(options: &KafkaOptions) -> AdminClient<DefaultClientContext> {
    raw(options).create().unwrap()
}

pub(crate) fn append(topic: Topic, partition: u16, texts: &[&str]) -> Append {
    let mut records = Records::default();
    for text in texts {
        records.push(text.as_bytes());
    }
    Append {
        topic,
        partition: Partition(partition),
        records,
    }
}

pub(crate) fn consumed(source: &str, expected: Option<Offset>, next: Offset) -> Consumed {
    Consumed {
        consumer: Who {
            name: "suite",
            source: source.to_owned(),
        },
        expected,
        next,
    }
}

fn end(options: &KafkaOptions, topic: Topic, isolation: &str, partition: i32) -> i64 {
    let consumer: BaseConsumer = raw(options)
        .set("isolation.level", isolation)
        .set("group.id", "nobody")
        .create()
        .unwrap();
    let name = topic_name(options, topic);
    consumer
        .fetch_watermarks(&name, partition, DEADLINE)
        .unwrap()
        .1
}

/// Where the first partition ends for readers of what is committed, and for all.
pub(crate) fn ends_in(options: &KafkaOptions, topic: Topic) -> (i64, i64) {
    let of = |isolation| end(options, topic, isolation, 0);
    (of("read_committed"), of("read_uncommitted"))
}

/// Whether no record of a topic waits for the end of a transaction.
pub(crate) fn is_stable(options: &KafkaOptions, topic: Topic) -> bool {
    let partitions = i32::from(options.partitions_of(topic).min(2));
    let of = |isolation, at| end(options, topic, isolation, at);
    (0..partitions).all(|at| of("read_committed", at) == of("read_uncommitted", at))
}

/// Members of the workers' group.
pub(crate) fn member_count(options: &KafkaOptions) -> usize {
    let consumer: BaseConsumer = raw(options).create().unwrap();
    let group = format!("{}engine", options.prefix);
    let found = consumer.fetch_group_list(Some(&group), DEADLINE).unwrap();
    let groups = found.groups().iter();
    groups.map(|group| group.members().len()).sum()
}

/// Sends a position in the first partition of user events, in the name of nobody.
pub(crate) fn send_position(producer: &Raw, options: &KafkaOptions, next: i64) {
    let consumer: BaseConsumer = raw(options)
        .set("group.id", format!("{}engine", options.prefix))
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    let name = topic_name(options, Topic::UserEvents);
    list.add_partition_offset(&name, 0, At::Offset(next))
        .unwrap();
    let nobody = consumer.group_metadata().unwrap();
    producer
        .send_offsets_to_transaction(&list, &nobody, DEADLINE)
        .unwrap();
}
