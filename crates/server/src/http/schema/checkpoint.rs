//! Checkpoints, as they are sent.

use serde::Serialize;
use utoipa::ToSchema;
use vitrina_engine::{DamagedCheckpoint, Manifest};
use vitrina_types::time::IngestTime;

/// A checkpoint.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointBody<'a> {
    /// Its name: what `vitrina checkpoint restore` takes.
    #[schema(example = "2026-03-01t12-00-00.000z")]
    pub id: &'a str,
    /// When it was taken.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: IngestTime,
    /// The release that took it.
    pub release: &'a str,
    /// Whether everything stood still: then a newer release may start from it.
    pub at_rest: bool,
    /// Bytes written for it.
    pub written_bytes: u64,
    /// Bytes that a restore reads; the others were written for older checkpoints.
    pub bytes: u64,
}

impl<'a> From<&'a Manifest> for CheckpointBody<'a> {
    fn from(manifest: &'a Manifest) -> Self {
        Self {
            id: manifest.id.as_str(),
            created_at: manifest.created_at,
            release: &manifest.release,
            at_rest: manifest.at_rest,
            written_bytes: manifest.bytes,
            bytes: manifest.objects().map(|object| object.bytes).sum(),
        }
    }
}

/// A checkpoint that cannot be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct DamagedBody<'a> {
    /// Its name.
    pub id: &'a str,
    /// Why not.
    pub reason: &'a str,
}

impl<'a> From<&'a DamagedCheckpoint> for DamagedBody<'a> {
    fn from(damaged: &'a DamagedCheckpoint) -> Self {
        Self {
            id: damaged.id.as_str(),
            reason: &damaged.reason,
        }
    }
}

/// The checkpoints there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckpointPage<'a> {
    /// Newest first.
    pub checkpoints: Vec<CheckpointBody<'a>>,
    /// Newest first.
    pub damaged: Vec<DamagedBody<'a>>,
}
