//! The id in a path.

use crate::http::problem::Problem;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use std::ops::RangeInclusive;
use vitrina_types::id::IdError;

/// The one id of a path, decoded but not checked yet.
pub struct PathId(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(rejection) => Err(Problem::bad_request("invalid_path", rejection.body_text())),
        }
    }
}

impl PathId {
    /// The id, checked.
    ///
    /// # Errors
    /// `400` naming `field` when it is no id.
    pub fn read<T>(
        &self,
        field: &'static str,
        new: impl Fn(&str) -> Result<T, IdError>,
    ) -> Result<T, Problem> {
        new(&self.0).map_err(|error| Problem::bad_field("invalid_id", field, error.to_string()))
    }

    /// The id as a whole number within bounds.
    ///
    /// # Errors
    /// `400` naming `field`.
    pub fn number(&self, field: &'static str, bounds: RangeInclusive<u64>) -> Result<u64, Problem> {
        let digits = !self.0.is_empty() && self.0.bytes().all(|byte| byte.is_ascii_digit());
        let number = self.0.parse().ok().filter(|n| digits && bounds.contains(n));
        number.ok_or_else(|| {
            let (low, high) = (bounds.start(), bounds.end());
            let detail = format!("{field} is a whole number between {low} and {high}");
            Problem::bad_field("out_of_range", field, detail)
        })
    }
}
