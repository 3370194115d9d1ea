//! What the client says when a broker fails. The mock of librdkafka is right for this, and for
//! nothing about transactions: it hides nothing and fences nobody.

use crate::fixture::{append, options, topic_name};
use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::time::{Duration, Instant};
use vitrina_kafka::{KafkaLog, KafkaOptions};
use vitrina_ports::PortError;
use vitrina_ports::log::EventLog;
use vitrina_ports::suite::{block_on, ok, refused};
use vitrina_types::topic::Topic;

const TOPIC: Topic = Topic::UserEvents;

/// A mock with the topics of a log. It cannot make them itself.
fn mock() -> (
    MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    KafkaOptions,
) {
    let cluster = MockCluster::new(1).unwrap();
    let mut options = options(&cluster.bootstrap_servers());
    options.request_timeout = Duration::from_secs(1);
    for &topic in &options.topics {
        let count = i32::from(options.partitions_of(topic));
        cluster
            .create_topic(&topic_name(&options, topic), count, 1)
            .unwrap();
    }
    cluster
        .create_topic(&format!("{}positions", options.prefix), 1, 1)
        .unwrap();
    (cluster, options)
}

#[test]
fn what_the_broker_refuses_is_an_error_and_the_next_call_goes_on() {
    let (cluster, options) = mock();
    block_on(async {
        let log = ok(KafkaLog::open(options).await, "open");
        let one = || vec![append(TOPIC, 0, &["one"])];
        assert_eq!(ok(log.append(one()).await, "append"), [1]);
        #[rustfmt::skip]
        let cases: &[(&str, RDKafkaRespErr)] = &[
            ("too large", RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE),
            ("not a record", RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD),
        ];
        for (name, code) in cases {
            cluster.request_errors(RDKafkaApiKey::Produce, &[*code]);
            let error = refused(log.append(one()).await, name);
            let is_large = matches!(error, PortError::TooLarge { .. });
            assert_eq!(is_large, *name == "too large", "{error:?}");
        }
        assert_eq!(ok(log.append(one()).await, "append"), [2]);
    });
}

/// A topic that was just made has no leader everywhere yet.
#[test]
fn what_is_not_ready_is_waited_for() {
    let (cluster, options) = mock();
    let later = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    block_on(async {
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &[later; 3]);
        drop(ok(KafkaLog::open(options.clone()).await, "open"));
        cluster.request_errors(RDKafkaApiKey::ListOffsets, &[later; 1_000]);
        let began = Instant::now();
        let error = refused(KafkaLog::open(options).await.map(|_| ()), "open");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        assert!(error.to_string().contains("NotLeader"), "{error}");
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
    });
}

#[test]
fn a_broker_that_is_gone_is_unavailable_within_the_limit() {
    let (cluster, options) = mock();
    block_on(async {
        let log = ok(KafkaLog::open(options).await, "open");
        cluster.broker_down(1).unwrap();
        let began = Instant::now();
        let error = refused(log.append(vec![append(TOPIC, 0, &["one"])]).await, "append");
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        let end = log
            .bounds(TOPIC, vitrina_types::partition::Partition(0))
            .end;
        assert_eq!(end, 0, "bounds ask nobody");
        let error = refused(
            log.read(TOPIC, vitrina_types::partition::Partition(0), 0, 1)
                .await,
            "read",
        );
        assert!(matches!(error, PortError::Unavailable { .. }), "{error:?}");
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{:?}",
            began.elapsed()
        );
    });
}
