//! What the engine's errors are on the wire.

use super::problem::Problem;
use axum::http::StatusCode;
use tracing::warn;
use vitrina_engine::EngineError;
use vitrina_ports::PortError;

/// When a store that failed may be tried again.
const RETRY_AFTER_S: u32 = 1;
/// When a full disk may have room again: retention runs once a minute.
const FULL_RETRY_AFTER_S: u32 = 60;

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => rejection.into(),
            EngineError::Port(port) => of_port(&port),
            EngineError::Overloaded { retry_after_s, .. } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "overloaded",
                error.to_string(),
            )
            .retry_after(retry_after_s),
            EngineError::NotFound { what } => Self::not_found(what),
            EngineError::TooMany { .. } => {
                Self::new(StatusCode::CONFLICT, "too_many_bans", error.to_string())
            }
            EngineError::Stopping => Self::busy("stopping", error.to_string(), RETRY_AFTER_S),
            EngineError::NoAnswers => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "no_answers",
                error.to_string(),
            ),
            other => Self::internal(&other.to_string()),
        }
    }
}

/// What a port said stays in the log; the caller learns whether and when to come back.
fn of_port(error: &PortError) -> Problem {
    match error {
        PortError::Full { .. } => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "storage_full",
            "the disk is full; nothing of this request was stored",
        )
        .retry_after(FULL_RETRY_AFTER_S),
        PortError::PositionMismatch { .. } | PortError::Fenced { .. } => {
            Problem::new(StatusCode::CONFLICT, "position_mismatch", error.to_string())
        }
        PortError::TooLarge { .. } => Problem::too_large("batch_too_large", error.to_string()),
        PortError::Expired { .. } => {
            Problem::new(StatusCode::NOT_FOUND, "expired", error.to_string())
        }
        PortError::Unavailable { .. } | PortError::Closed { .. } => {
            warn!(%error, "a store failed");
            let detail = "a store behind the service cannot be reached";
            Problem::busy("unavailable", detail, RETRY_AFTER_S)
        }
        _ => Problem::internal(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vitrina_types::event::Rejection;

    #[test]
    fn engine_error_cases() {
        let full = PortError::Full {
            port: "log",
            free_bytes: 1,
            reserve_bytes: 2,
        };
        let gone = PortError::Unavailable {
            port: "log",
            detail: "/secret/path: EIO".to_owned(),
        };
        let damaged = PortError::Damaged {
            what: "/secret/path".to_owned(),
        };
        let moved = PortError::PositionMismatch {
            what: "f".to_owned(),
            expected: 1,
            found: 2,
        };
        let overloaded = EngineError::Overloaded {
            waiting: 2,
            limit: 1,
            retry_after_s: 3,
        };
        let rejected = Rejection::new("out_of_range", "limit", "no");
        #[rustfmt::skip]
        let cases: Vec<(EngineError, u16, &str, Option<u32>)> = vec![
            (full.into(),                                 507, "storage_full",      Some(60)),
            (gone.into(),                                 503, "unavailable",       Some(1)),
            (damaged.into(),                              500, "internal_error",    None),
            (moved.into(),                                409, "position_mismatch", None),
            (overloaded,                                  429, "overloaded",        Some(3)),
            (EngineError::Stopping,                       503, "stopping",          Some(1)),
            (EngineError::NoAnswers,                      503, "no_answers",        None),
            (EngineError::NotFound { what: "ban" },       404, "not_found",         None),
            (EngineError::TooMany { what: "bans", limit: 9 }, 409, "too_many_bans", None),
            (rejected.into(),                             400, "out_of_range",      None),
        ];
        for (error, status, code, retry_after_s) in cases {
            let name = error.to_string();
            let problem = Problem::from(error);
            assert_eq!(problem.status.as_u16(), status, "{name}");
            assert_eq!(problem.code, code, "{name}");
            assert_eq!(problem.retry_after_s, retry_after_s, "{name}");
            assert!(
                !problem.detail.contains("secret"),
                "{name}: shows internals"
            );
        }
    }
}
