//! Dead letters, as they are sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;
use vitrina_types::record::DeadLetter;
use vitrina_types::time::IngestTime;

/// An input that could not be processed.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterBody {
    /// Its number: what `before` takes.
    pub number: u64,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    pub ingest_time: IngestTime,
    /// Where it came from.
    #[schema(example = "POST /v1/events")]
    pub source: String,
    /// Why: stable, for a program.
    #[schema(value_type = String, example = "unknown_event_type")]
    pub code: Cow<'static, str>,
    /// The field at fault; empty when the whole input is.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// Why, for a person.
    pub detail: String,
    /// How often it was tried.
    pub attempts: u32,
    /// The input, cut to 64 KiB.
    pub bytes: String,
    /// How `bytes` is written: `utf8` as it is, or `base64` when it is no text.
    #[schema(value_type = String, example = "utf8")]
    pub encoding: &'static str,
}

impl From<(u64, DeadLetter)> for DeadLetterBody {
    fn from((number, letter): (u64, DeadLetter)) -> Self {
        let (bytes, encoding) = match String::from_utf8(letter.bytes) {
            Ok(text) => (text, "utf8"),
            Err(error) => (STANDARD.encode(error.as_bytes()), "base64"),
        };
        Self {
            number,
            ingest_time: letter.ingest_time,
            source: letter.source.into(),
            code: letter.rejection.code,
            field: letter.rejection.field,
            detail: letter.rejection.detail,
            attempts: letter.attempts,
            bytes,
            encoding,
        }
    }
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterPage {
    /// Newest first.
    pub dead_letters: Vec<DeadLetterBody>,
    /// What `before` takes to go on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next_before: Option<u64>,
}
