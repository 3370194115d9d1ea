//! From bytes to an event.

use super::draft::{ContextDraft, EventDraft, Rejection, WHOLE_MAX};
use super::{CONTEXT_BYTES_MAX, Context, Event, Kind, Origin, Subject};
use crate::id::{AnonymousId, EventId, PlacementId, SessionId, SlateId, UserId};
use crate::limits::{EVENT_BYTES_MAX, EVENT_DEPTH_MAX, EVENT_TIME_AHEAD_MAX_MS};
use crate::time::IngestTime;
use serde_json::Value;

/// What intake adds to an event: the moment, a fresh id where the shop sent none, and the keyed
/// hash of addresses.
pub struct Intake<'a> {
    /// The moment the request was read.
    pub ingest_time: IngestTime,
    /// Makes an event id that was never used.
    pub fresh_event_id: &'a dyn Fn() -> EventId,
    /// Keyed hash of a network address.
    pub hash_address: &'a dyn Fn(&str) -> u64,
}

/// Reads one event from JSON: an object with the fields of `POST /v1/events`.
///
/// # Errors
/// A [`Rejection`] with the code and the field at fault; never panics, whatever the bytes.
pub fn parse(json: &[u8], intake: &Intake<'_>) -> Result<Event, Rejection> {
    build(draft(json)?, intake)
}

/// Reads what was sent, its fields not checked yet.
pub(super) fn draft(json: &[u8]) -> Result<EventDraft, Rejection> {
    if json.len() > EVENT_BYTES_MAX {
        let detail = format!(
            "the event has {} bytes, the limit is {EVENT_BYTES_MAX}",
            json.len()
        );
        return Err(Rejection::new("event_too_large", "", detail));
    }
    // Serde would also take the fields in order as an array; the API does not.
    if json.trim_ascii_start().first() == Some(&b'[') {
        return Err(Rejection::new(
            "not_an_object",
            "",
            "an event is a JSON object",
        ));
    }
    // Also in fields nobody reads: whoever forwards events may read them recursively.
    if depth(json) > EVENT_DEPTH_MAX {
        let detail = format!("the event nests deeper than {EVENT_DEPTH_MAX} levels");
        return Err(Rejection::new("nesting_too_deep", "", detail));
    }
    serde_json::from_slice(json).map_err(|error| diagnose(json, &error))
}

/// Checks a draft and makes it an event.
///
/// # Errors
/// A [`Rejection`] with the code and the field at fault.
pub fn build(mut draft: EventDraft, intake: &Intake<'_>) -> Result<Event, Rejection> {
    let name = draft
        .event_type
        .take()
        .ok_or_else(|| Rejection::missing("event_type", "an event needs its type"))?;
    let event_time = draft
        .event_time
        .unwrap_or_else(|| intake.ingest_time.as_event_time());
    if event_time.since_ms(intake.ingest_time.as_event_time()) > EVENT_TIME_AHEAD_MAX_MS {
        return Err(Rejection::new(
            "event_time_in_future",
            "event_time",
            "the event time is more than 24 h ahead; check the sender's clock",
        ));
    }
    let subject = subject(&draft)?;
    let currency = draft.checked_currency()?;
    let origin = origin(&draft)?;
    let kind = Kind::read(&name, &mut draft).unwrap_or_else(|| Err(unknown_type(&name)))?;
    Ok(Event {
        event_id: match &draft.event_id {
            Some(id) => EventId::new(id).map_err(|e| Rejection::id("event_id", e))?,
            None => (intake.fresh_event_id)(),
        },
        subject,
        session_id: optional(&draft.session_id, "session_id", SessionId::new)?,
        event_time,
        kind,
        currency,
        origin,
        context: draft.context.map(|context| Box::new(cut(*context, intake))),
        consent: draft.consent.unwrap_or_default(),
    })
}

fn unknown_type(name: &str) -> Rejection {
    let shown: String = name.chars().take(40).collect();
    Rejection::new(
        "unknown_event_type",
        "event_type",
        format!("\"{shown}\" is none of {}", Kind::NAMES.join(", ")),
    )
}

fn optional<T>(
    text: &Option<String>,
    field: &'static str,
    new: impl Fn(&str) -> Result<T, crate::id::IdError>,
) -> Result<Option<T>, Rejection> {
    text.as_deref()
        .map(new)
        .transpose()
        .map_err(|error| Rejection::id(field, error))
}

fn subject(draft: &EventDraft) -> Result<Subject, Rejection> {
    let subject = Subject {
        user_id: optional(&draft.user_id, "user_id", UserId::new)?,
        anonymous_id: optional(&draft.anonymous_id, "anonymous_id", AnonymousId::new)?,
    };
    if subject.user_id.is_none() && subject.anonymous_id.is_none() {
        return Err(Rejection::missing(
            "user_id",
            "an event needs a user_id or an anonymous_id",
        ));
    }
    Ok(subject)
}

fn origin(draft: &EventDraft) -> Result<Option<Origin>, Rejection> {
    let placement = optional(&draft.placement, "placement", PlacementId::new)?;
    let slate_id = optional(&draft.slate_id, "slate_id", SlateId::new)?;
    Ok(slate_id.map(|slate_id| Origin {
        slate_id,
        position: draft.position,
        placement,
    }))
}

fn cut(draft: ContextDraft, intake: &Intake<'_>) -> Context {
    let text = |text: Option<String>| {
        text.map(|text| {
            let end = text.floor_char_boundary(CONTEXT_BYTES_MAX);
            Box::<str>::from(&text[..end])
        })
    };
    Context {
        address_hash: draft.ip.as_deref().map(intake.hash_address),
        user_agent: text(draft.user_agent),
        device: text(draft.device),
        region: text(draft.region),
        locale: text(draft.locale),
        referrer: text(draft.referrer),
    }
}

/// A field, what it must hold in words, and the test for it.
type Shape = (&'static str, &'static str, fn(&Value) -> bool);

/// What the fields must hold, for [`diagnose`].
const SHAPES: &[Shape] = &[
    ("event_id", "a string", Value::is_string),
    ("event_type", "a string", Value::is_string),
    ("user_id", "a string", Value::is_string),
    ("anonymous_id", "a string", Value::is_string),
    ("session_id", "a string", Value::is_string),
    ("product_id", "a string", Value::is_string),
    (
        "items",
        "an array of {product_id, quantity, price}",
        is_lines,
    ),
    (
        "event_time",
        "an RFC 3339 time with a zone, or epoch milliseconds",
        is_time,
    ),
    ("quantity", "a whole number of at least 1", is_whole),
    ("price", "a decimal number", is_amount),
    ("currency", "a string", Value::is_string),
    ("rating", "a number", Value::is_number),
    ("query", "a string", Value::is_string),
    ("slate_id", "a string", Value::is_string),
    ("position", "a whole number of at least 0", is_u32),
    ("placement", "a string", Value::is_string),
    ("context", "an object of strings", is_texts),
    ("consent", "an object of true and false", is_flags),
];

fn is_u32(value: &Value) -> bool {
    value.as_u64().is_some_and(|n| u32::try_from(n).is_ok())
}

fn is_whole(value: &Value) -> bool {
    value
        .as_f64()
        .is_some_and(|n| n >= 0.0 && n.fract() == 0.0 && n <= WHOLE_MAX)
}

fn is_time(value: &Value) -> bool {
    serde_json::from_value::<crate::time::EventTime>(value.clone()).is_ok()
}

fn is_amount(value: &Value) -> bool {
    serde_json::from_value::<crate::money::Amount>(value.clone()).is_ok()
}

fn is_lines(value: &Value) -> bool {
    serde_json::from_value::<Vec<super::draft::LineDraft>>(value.clone()).is_ok()
}

fn is_texts(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|o| o.values().all(|v| v.is_string() || v.is_null()))
}

fn is_flags(value: &Value) -> bool {
    value
        .as_object()
        .is_some_and(|o| o.values().all(Value::is_boolean))
}

/// Finds out why a draft did not read. Only bad input pays for this second look.
fn diagnose(json: &[u8], error: &serde_json::Error) -> Rejection {
    if std::str::from_utf8(json).is_err() {
        return Rejection::new("invalid_utf8", "", "the event is not UTF-8");
    }
    let Ok(value) = serde_json::from_slice::<Value>(json) else {
        return Rejection::new("invalid_json", "", format!("not JSON: {error}"));
    };
    let Some(object) = value.as_object() else {
        return Rejection::new("not_an_object", "", "an event is a JSON object");
    };
    for (field, shape, fits) in SHAPES {
        if object.get(*field).is_some_and(|v| !v.is_null() && !fits(v)) {
            return Rejection::new("invalid_type", field, format!("{field} must be {shape}"));
        }
    }
    Rejection::new("invalid_event", "", error.to_string())
}

/// Levels of nesting, by brackets outside strings.
fn depth(json: &[u8]) -> usize {
    let (mut level, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                level += 1;
                deepest = deepest.max(level);
            }
            b'}' | b']' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
