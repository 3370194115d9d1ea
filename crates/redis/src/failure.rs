//! What errors of Redis mean.

use crate::PORT;
use redis::{ErrorKind, RedisError, ServerErrorKind};
use std::time::Duration;
use vitrina_ports::PortError;
use vitrina_ports::state::StatePartition;

/// The code of the refusal to write when `maxmemory` is reached.
const OUT_OF_MEMORY: &str = "OOM";

/// The error of a call.
pub(crate) fn port_error(error: &RedisError) -> PortError {
    if error.code() == Some(OUT_OF_MEMORY) {
        // Redis checks before a script begins, so nothing of it was written.
        return PortError::Full {
            port: PORT,
            free_bytes: 0,
            reserve_bytes: 0,
        };
    }
    unavailable(error.to_string())
}

/// The error of the first connection: what no waiting heals is said apart.
pub(crate) fn connect_error(error: &RedisError) -> PortError {
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
            PortError::Invalid {
                what: "credentials of Redis".to_owned(),
                expected: "a user that may run the commands of the crate's page, and its password",
            }
        }
        _ => port_error(error),
    }
}

pub(crate) fn unavailable(detail: String) -> PortError {
    PortError::Unavailable { port: PORT, detail }
}

/// No answer in time; whether the call was carried out is unknown.
pub(crate) fn late(limit: Duration) -> PortError {
    unavailable(format!("no answer within {limit:?}"))
}

/// What is stored is not what this crate stores.
pub(crate) fn damaged(
    what: &str,
    StatePartition { space, partition }: StatePartition,
) -> PortError {
    PortError::Damaged {
        what: format!("{what} of {}/{}", space.name(), partition.0),
    }
}

/// Whether the server has not seen the script yet, so that nothing was run.
pub(crate) fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
