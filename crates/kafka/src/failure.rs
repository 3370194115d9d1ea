//! What Kafka says, as errors of a port.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use vitrina_ports::PortError;

/// The port's name in errors.
pub(crate) const PORT: &str = "kafka";

/// The error of a port for what Kafka said while `doing` something.
pub(crate) fn failed(doing: &str, error: &KafkaError) -> PortError {
    match error.rdkafka_error_code() {
        Some(code) if is_fencing(code) => PortError::Fenced {
            what: doing.to_owned(),
            detail: error.to_string(),
        },
        Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => PortError::TooLarge {
            what: "bytes of a record",
            got: 0, // The broker does not say; ours are measured before they are sent.
            limit: crate::client::RECORD_BYTES_MAX,
        },
        Some(code) if is_refusal(code) => PortError::Invalid {
            what: format!("{doing}: {error}"),
            expected: "a user and the rights of its role: whoever administers Kafka must grant \
                       them, as docs/KAFKA.md lists them; trying again does not help",
        },
        _ => unavailable(format!("{doing}: {error}")),
    }
}

/// Whether the broker does not let this user do it.
pub(crate) fn is_refusal(code: Code) -> bool {
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
    )
}

/// Kafka, or the way to it, failed.
pub(crate) fn unavailable(detail: String) -> PortError {
    PortError::Unavailable { port: PORT, detail }
}

/// The thread behind a port has ended.
pub(crate) fn closed() -> PortError {
    PortError::Closed { port: PORT }
}

/// Whether somebody else has taken over.
pub(crate) fn is_fencing(code: Code) -> bool {
    matches!(
        code,
        Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::IllegalGeneration
            | Code::RebalanceInProgress
    ) || is_loss(code)
}

/// Whether the group knows this member no more.
pub(crate) fn is_loss(code: Code) -> bool {
    matches!(code, Code::UnknownMemberId | Code::FencedInstanceId)
}

/// The same error once more, for each of several callers.
pub(crate) fn again(error: &PortError) -> PortError {
    match error {
        PortError::Fenced { what, detail } => PortError::Fenced {
            what: what.clone(),
            detail: detail.clone(),
        },
        &PortError::TooLarge { what, got, limit } => PortError::TooLarge { what, got, limit },
        PortError::Invalid { what, expected } => PortError::Invalid {
            what: what.clone(),
            expected,
        },
        PortError::Closed { port } => PortError::Closed { port },
        other => unavailable(other.to_string()),
    }
}
