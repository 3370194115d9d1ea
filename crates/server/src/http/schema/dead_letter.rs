//! Dead letters, as they are sent.

use super::event::from_json;
use crate::http::extract::WHOLE_MAX;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};
use vitrina_engine::{REPLAYS_PER_CALL_MAX, Replay};
use vitrina_types::event::Rejection;
use vitrina_types::limits::ID_BYTES_MAX;
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

/// Where a record was read from.
#[derive(Debug, Serialize, ToSchema)]
pub struct OriginBody {
    /// The topic.
    #[schema(value_type = String, example = "user-events")]
    pub topic: &'static str,
    /// The partition.
    pub partition: u16,
    /// Its offset there.
    pub offset: u64,
}

/// A dead letter, with all that is kept of its input.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeadLetterDetail {
    /// Its number.
    pub number: u64,
    /// When it was given up.
    #[schema(value_type = String, format = DateTime)]
    pub ingest_time: IngestTime,
    /// Where it came from.
    #[schema(example = "POST /v1/events")]
    pub source: String,
    /// The record it was; absent when it never became one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub origin: Option<OriginBody>,
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
    /// Whether all bytes of the input are kept, not only the first 64 KiB. Others cannot be
    /// replayed.
    pub is_whole: bool,
    /// The input, when it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The input, byte for byte.
    pub base64: String,
}

impl DeadLetterDetail {
    /// The dead letter with this number.
    pub fn new(number: u64, letter: DeadLetter) -> Self {
        let origin = letter.place().map(|(topic, partition, offset)| OriginBody {
            topic: topic.name(),
            partition: partition.0,
            offset,
        });
        Self {
            number,
            ingest_time: letter.ingest_time,
            origin,
            is_whole: vitrina_engine::is_whole(&letter),
            source: letter.source.into(),
            code: letter.rejection.code,
            field: letter.rejection.field,
            detail: letter.rejection.detail,
            attempts: letter.attempts,
            base64: STANDARD.encode(&letter.bytes),
            text: String::from_utf8(letter.bytes).ok(),
        }
    }
}

/// Which dead letters are to be replayed: exactly one of `offsets`, `code` and `all`.
#[derive(Debug)]
pub struct ReplayInput;

impl PartialSchema for ReplayInput {
    fn schema() -> RefOr<Schema> {
        let number = json!({"type": "integer", "minimum": 0, "maximum": WHOLE_MAX});
        let bound = json!({"type": ["integer", "null"], "minimum": 0, "maximum": WHOLE_MAX});
        let range = |field: &str, value: serde_json::Value| {
            json!({
                "type": "object",
                "required": [field],
                "additionalProperties": false,
                "properties": {field: value, "from": bound, "until": bound},
            })
        };
        RefOr::T(from_json(json!({
            "description": "The numbers of dead letters, or a code, or all; of the latter two \
                those from `from` on and before `until`.",
            "oneOf": [
                {
                    "type": "object",
                    "required": ["offsets"],
                    "additionalProperties": false,
                    "properties": {"offsets": {
                        "type": "array", "minItems": 1, "maxItems": REPLAYS_PER_CALL_MAX,
                        "items": number,
                    }},
                },
                range("code", json!({"type": "string", "minLength": 1, "maxLength": ID_BYTES_MAX})),
                range("all", json!({"type": "boolean", "const": true})),
            ],
            "example": {"offsets": [7, 9]},
        })))
    }
}

impl ToSchema for ReplayInput {}

/// A dead letter that was not taken in again.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotReplayed {
    /// Its number.
    pub number: u64,
    /// Why: stable, for a program.
    #[schema(value_type = String, example = "cut")]
    pub code: Cow<'static, str>,
    /// The field at fault; empty when the whole input is.
    #[schema(value_type = String)]
    pub field: Cow<'static, str>,
    /// Why, for a person.
    pub detail: String,
}

impl From<(u64, Rejection)> for NotReplayed {
    fn from((number, rejection): (u64, Rejection)) -> Self {
        Self {
            number,
            code: rejection.code,
            field: rejection.field,
            detail: rejection.detail,
        }
    }
}

/// What became of dead letters that were to be taken in again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayBody {
    /// How many were taken in again.
    pub replayed: usize,
    /// Those that are still bad; each is a new dead letter besides.
    pub still_bad: Vec<NotReplayed>,
    /// Those that cannot be taken in again; nothing was written of them.
    pub refused: Vec<NotReplayed>,
    /// There may be more: `from` of the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<u64>,
    /// `until` of the next call.
    pub until: u64,
}

impl From<Replay> for ReplayBody {
    fn from(replay: Replay) -> Self {
        Self {
            replayed: replay.replayed.len(),
            still_bad: replay.still_bad.into_iter().map(Into::into).collect(),
            refused: replay.refused.into_iter().map(Into::into).collect(),
            next: replay.next,
            until: replay.until,
        }
    }
}
