//! What errors of the object store mean.

use crate::PORT;
use std::error::Error;
use std::io::{self, ErrorKind};
use vitrina_ports::PortError;

/// The error of a call.
pub(crate) fn port_error(error: &object_store::Error) -> PortError {
    if is_full(error) {
        return full();
    }
    unavailable(error.to_string())
}

/// The error of the disk under a folder.
pub(crate) fn disk_error(what: &str, error: &io::Error) -> PortError {
    if is_full(error) {
        return full();
    }
    unavailable(format!("{what}: {error}"))
}

pub(crate) fn unavailable(detail: String) -> PortError {
    PortError::Unavailable { port: PORT, detail }
}

/// No reserve is kept here: the disk itself said that it is full.
fn full() -> PortError {
    PortError::Full {
        port: PORT,
        free_bytes: 0,
        reserve_bytes: 0,
    }
}

fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref().map(io::Error::kind);
        if let Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) = kind {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_however_deep_it_lies() {
        let full = || io::Error::from(ErrorKind::StorageFull);
        let wrapped = object_store::Error::Generic {
            store: "local",
            source: Box::new(object_store::Error::Generic {
                store: "disk",
                source: Box::new(full()),
            }),
        };
        assert!(matches!(port_error(&wrapped), PortError::Full { .. }));
        assert!(matches!(disk_error("a", &full()), PortError::Full { .. }));
        let other = object_store::Error::Generic {
            store: "local",
            source: Box::new(io::Error::from(ErrorKind::PermissionDenied)),
        };
        assert!(matches!(port_error(&other), PortError::Unavailable { .. }));
    }
}
