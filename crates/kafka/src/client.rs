//! Clients of librdkafka: what each kind of them is told.

use crate::delivery::Reports;
use crate::failure::failed;
use crate::options::{KafkaOptions, Mechanism};
use rdkafka::ClientConfig;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::producer::ThreadedProducer;
use std::time::Duration;
use tracing::{debug, info, warn};
use vitrina_ports::PortError;

/// Bytes of one record. Topics are created with it.
pub(crate) const RECORD_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// What Kafka adds to the bytes of a record at most.
const OVERHEAD_BYTES_MAX: usize = 1_024;
/// KiB of records that wait in a producer: several full batches.
const QUEUE_KIB: usize = 256 * 1_024;
/// How long a record waits for company before it is sent.
const LINGER_MS: u32 = 1;
/// KiB of one partition that wait in the library for the reader, beside its shelf.
const AHEAD_KIB: usize = 512;
/// Bytes of one partition in one answer of the broker.
const FETCH_BYTES: usize = 256 * 1_024;
/// A fetch waits at the broker until there are so many bytes of news, and no longer than
/// [`FETCH_WAIT_MS`]: answered with every record, broker and readers are busy with answers at some
/// thousand records a second.
const FETCH_LEAST: usize = 64 * 1_024;
/// How long a fetch waits at the broker. A record is seen so much later at most, and a partition
/// that is added waits as long.
const FETCH_WAIT_MS: u32 = 20;
/// Pause of the library after a fetch that failed, or that found its queue full.
const FETCH_PAUSE_MS: u32 = 20;
/// The broker takes a member that does not poll for gone after this: more than the longest call
/// that a seat's thread blocks in.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(60);

/// A producer with a thread that hears of its records.
pub(crate) type Producer = ThreadedProducer<Reports>;

/// What every client is told.
pub(crate) fn any(options: &KafkaOptions) -> ClientConfig {
    let mut config = ClientConfig::new();
    let request_ms = options.request_timeout.as_millis().to_string();
    config
        .set("bootstrap.servers", &options.bootstrap)
        .set("client.id", format!("vitrina-{}", options.member))
        .set("socket.keepalive.enable", "true")
        .set("socket.timeout.ms", &request_ms)
        .set("reconnect.backoff.max.ms", "1000");
    secure(&mut config, options);
    config
}

fn secure(config: &mut ClientConfig, options: &KafkaOptions) {
    let (tls, sasl) = (&options.security.tls, &options.security.sasl);
    let protocol = match (tls.is_some(), sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = tls {
        if let Some(ca) = &tls.ca {
            config.set("ssl.ca.location", ca.to_string_lossy());
        }
        if let Some((certificate, key)) = &tls.certificate {
            config.set("ssl.certificate.location", certificate.to_string_lossy());
            config.set("ssl.key.location", key.to_string_lossy());
        }
    }
    if let Some(sasl) = sasl {
        let mechanism = match sasl.mechanism {
            Mechanism::Plain => "PLAIN",
            Mechanism::ScramSha256 => "SCRAM-SHA-256",
            Mechanism::ScramSha512 => "SCRAM-SHA-512",
        };
        config
            .set("sasl.mechanism", mechanism)
            .set("sasl.username", &sasl.username)
            .set("sasl.password", &sasl.password);
    }
}

/// What a producer is told; `transactional_id` where it has one.
fn producing(options: &KafkaOptions, transactional_id: Option<&str>) -> ClientConfig {
    let mut config = any(options);
    config
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("partitioner", "murmur2_random")
        .set("compression.type", "lz4")
        .set("linger.ms", LINGER_MS.to_string())
        .set("queue.buffering.max.kbytes", QUEUE_KIB.to_string())
        .set("queue.buffering.max.messages", "0")
        .set(
            "message.max.bytes",
            (RECORD_BYTES_MAX + OVERHEAD_BYTES_MAX).to_string(),
        );
    let limit = match transactional_id {
        Some(id) => {
            let limit = options.transaction_timeout.as_millis().to_string();
            // librdkafka takes no request that lasts longer than its transaction.
            let request = options.request_timeout.min(options.transaction_timeout);
            config.set("socket.timeout.ms", request.as_millis().to_string());
            config.set("transactional.id", id);
            config.set("transaction.timeout.ms", &limit);
            limit
        }
        None => options.request_timeout.as_millis().to_string(),
    };
    config.set("message.timeout.ms", &limit);
    config
}

/// What a reader is told. It belongs to `group` in name only, for committed positions.
pub(crate) fn reading(options: &KafkaOptions, group: &str) -> ClientConfig {
    let mut config = any(options);
    config
        .set("group.id", group)
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("queued.max.messages.kbytes", AHEAD_KIB.to_string())
        .set("fetch.message.max.bytes", FETCH_BYTES.to_string())
        .set("fetch.min.bytes", FETCH_LEAST.to_string())
        .set("fetch.wait.max.ms", FETCH_WAIT_MS.to_string())
        .set("fetch.queue.backoff.ms", FETCH_PAUSE_MS.to_string())
        .set("fetch.error.backoff.ms", FETCH_PAUSE_MS.to_string());
    config
}

/// What the consumer of a seat is told. No static member: its next life would be given what is
/// stored of its assignment, without a rebalance, and tasks that the one before it was giving up
/// would belong to nobody.
pub(crate) fn sitting(options: &KafkaOptions, group: &str) -> ClientConfig {
    let mut config = reading(options, group);
    let session_ms = options.session_timeout.as_millis();
    let poll_ms = POLL_INTERVAL.max(options.session_timeout).as_millis();
    config
        .set("group.protocol", "classic")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", session_ms.to_string())
        // A third of the session at most, as Kafka advises.
        .set("heartbeat.interval.ms", (session_ms / 5).max(1).to_string())
        .set("max.poll.interval.ms", poll_ms.to_string());
    config
}

/// A client of a kind.
pub(crate) fn create<C, T>(config: &ClientConfig, context: C) -> Result<T, PortError>
where
    T: FromClientConfigAndContext<C>,
    C: rdkafka::ClientContext,
{
    // A setting that librdkafka refuses is the only way for this to fail.
    config
        .create_with_context(context)
        .map_err(|error| PortError::Invalid {
            what: error.to_string(),
            expected: "settings that librdkafka takes",
        })
}

/// A producer without transactions.
pub(crate) fn plain(options: &KafkaOptions) -> Result<Producer, PortError> {
    create(&producing(options, None), Reports)
}

/// A producer that has initialised its transactional id: whatever an earlier one with this id had
/// open is aborted, and that one can commit nothing any more. Blocks.
pub(crate) fn transactional(options: &KafkaOptions, id: &str) -> Result<Producer, PortError> {
    use rdkafka::producer::Producer as _;
    let producer: Producer = create(&producing(options, Some(id)), Reports)?;
    // An earlier transaction that is just being ended is waited for.
    let limit = options.request_timeout + options.transaction_timeout;
    producer
        .init_transactions(limit)
        .map_err(|error| failed(id, &error))?;
    Ok(producer)
}

/// A log line of the library as one of ours.
pub(crate) fn tell(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => warn!(facility, text, "librdkafka"),
        RDKafkaLogLevel::Notice => info!(facility, text, "librdkafka"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => debug!(facility, text, "librdkafka"),
    }
}
