//! In the place of shared stores, in a build without them.

use super::{Backing, OpenError, without_secrets};
use crate::config::Settings;
use std::sync::Arc;
use vitrina_engine::Roles;

/// Says what to build.
///
/// # Errors
/// Always `BuiltWithout`.
pub(super) async fn open(
    settings: &Settings,
    _roles: Roles,
) -> Result<Arc<dyn Backing>, OpenError> {
    let (field, url) = match settings.log == super::EMBEDDED {
        true => ("state", &settings.state),
        false => ("log", &settings.log),
    };
    let url = without_secrets(url);
    Err(OpenError::BuiltWithout { field, url })
}
