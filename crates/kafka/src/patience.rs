//! Asking again while the cluster is not ready.
//!
//! A topic that was just made has no leader everywhere yet, and a coordinator loads what it keeps
//! before it answers. Both pass by themselves.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use std::time::{Duration, Instant};

/// Pause between two attempts.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// Whether the same request will be answered a little later.
pub(crate) fn is_transient(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::ReplicaNotAvailable
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::BrokerTransportFailure
            | Code::OffsetNotAvailable
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::KafkaStorageError
            | Code::NotController
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::UnstableOffsetCommit
            | Code::WaitingForCoordinator
    )
}

/// Asks until the answer is another than "not yet", for `limit` at most; then "not yet" is the answer.
/// `ask` is told how long it may take. Blocks.
pub(crate) fn patiently<T>(
    limit: Duration,
    mut ask: impl FnMut(Duration) -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let until = Instant::now() + limit;
    let mut not_yet = None;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let error = match ask(left.max(PAUSE)) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match error.rdkafka_error_code() {
            Some(code) if is_transient(code) && left > PAUSE => {}
            // The last attempt had little time: what was said before says more.
            Some(Code::OperationTimedOut) => return Err(not_yet.unwrap_or(error)),
            _ => return Err(error),
        }
        tracing::debug!(%error, "kafka is not ready yet");
        not_yet = Some(error);
        std::thread::sleep(PAUSE);
    }
}
