//! Events that a client of the log wrote onto `user-events` itself: JSON, not through intake.
//!
//! What becomes of such a record is a function of the record alone: its bytes, its key, the moment
//! the log gave it and its place. Whoever reads it again makes the same event of it.

use super::parse::{build, draft};
use super::{Event, Intake, Rejection};
use crate::id::{EventId, UserId};
use crate::time::IngestTime;

/// What JSON that may be meant for an event begins with. Stored forms begin with their version,
/// which will never be one of these.
const JSON_BEGINS: [u8; 3] = [b'{', b'[', b' '];
/// Who it would be if the key named somebody, to find out what else is wrong.
const SOMEBODY: &str = "?";

/// A record that is no stored form.
#[derive(Debug, Clone, Copy)]
pub struct Foreign<'a> {
    /// The payload, JSON of one event.
    pub bytes: &'a [u8],
    /// The record's key: the user, where the JSON names no visitor.
    pub key: Option<&'a [u8]>,
    /// When the log took it.
    pub ingest_time: IngestTime,
    /// Topic, partition and offset, `user-events/7@42`: the event's id, where it has none.
    pub place: &'a str,
}

/// Whether a payload is JSON instead of a stored form. Anything that begins otherwise is taken for a
/// stored form of a later release, and does not decode.
pub fn is_foreign(bytes: &[u8]) -> bool {
    bytes
        .first()
        .is_some_and(|first| JSON_BEGINS.contains(first))
}

/// The event of a foreign record. How far its time lies ahead is not looked at: the stage does,
/// which knows the moment too. Its network address is dropped: the key for its hash is not here.
///
/// # Errors
/// Why it is none: the same as [`diagnose`] says of its bytes.
pub fn read(record: &Foreign<'_>) -> Result<Event, Rejection> {
    let mut draft = draft(record.bytes)?;
    draft
        .event_time
        .get_or_insert_with(|| record.ingest_time.as_event_time());
    if draft.user_id.is_none() && draft.anonymous_id.is_none() {
        let key = record.key.and_then(|key| std::str::from_utf8(key).ok());
        let key = key.filter(|key| UserId::new(key).is_ok());
        draft.user_id = key.map(str::to_owned);
    }
    if draft.event_id.is_none() {
        draft.event_id = Some(record.place.to_owned());
    }
    let mut event = build(draft, &intake())?;
    if let Some(context) = &mut event.context {
        context.address_hash = None;
    }
    Ok(event)
}

/// Why [`read`] makes no event of these bytes.
pub fn diagnose(bytes: &[u8]) -> Rejection {
    let record = Foreign {
        bytes,
        key: Some(SOMEBODY.as_bytes()),
        ingest_time: IngestTime(0),
        place: SOMEBODY,
    };
    match read(&record) {
        Err(rejection) => rejection,
        Ok(_) => Rejection::missing(
            "user_id",
            "the event has neither a user_id nor an anonymous_id, and the record's key is no user id",
        ),
    }
}

/// An intake that adds nothing: everything was put into the draft before.
fn intake() -> Intake<'static> {
    Intake {
        ingest_time: IngestTime(i64::MAX),
        fresh_event_id: &somebody,
        hash_address: &|_| 0,
    }
}

fn somebody() -> EventId {
    match EventId::new(SOMEBODY) {
        Ok(id) => id,
        Err(error) => unreachable!("{error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::UserEnvelope;
    use crate::stored::Stored;

    fn record<'a>(json: &'a str, key: Option<&'a str>) -> Foreign<'a> {
        Foreign {
            bytes: json.as_bytes(),
            key: key.map(str::as_bytes),
            ingest_time: IngestTime(1_000),
            place: "user-events/7@42",
        }
    }

    #[test]
    fn no_stored_form_begins_like_json() {
        assert!(!JSON_BEGINS.contains(&UserEnvelope::VERSION));
        assert!(is_foreign(b"{}") && is_foreign(b" {") && !is_foreign(b"\xef\xbb\xbf{"));
        assert!(!is_foreign(b"") && !is_foreign(&[UserEnvelope::VERSION]));
    }

    #[test]
    fn what_is_not_said_comes_from_the_record() {
        #[rustfmt::skip]
        let cases = [
            (r#"{"event_type":"search","query":"q"}"#,                        Some("k"), "k"),
            (r#"{"event_type":"search","query":"q","user_id":"u"}"#,          Some("k"), "u"),
            (r#"{"event_type":"search","query":"q","anonymous_id":"a"}"#,     Some("k"), "a"),
            (r#"{"event_type":"search","query":"q","user_id":"u"}"#,          None,      "u"),
        ];
        for (json, key, visitor) in cases {
            let event = read(&record(json, key)).unwrap();
            assert_eq!(event.subject.partition_id(), visitor, "{json}");
            assert_eq!(event.event_id.as_str(), "user-events/7@42");
            assert_eq!(event.event_time.0, 1_000);
        }
        let json = r#"{"event_id":"e","event_type":"search","query":"q","user_id":"u",
            "event_time":77,"context":{"ip":"10.0.0.1","device":"tv"}}"#;
        let event = read(&record(json, None)).unwrap();
        assert_eq!((event.event_id.as_str(), event.event_time.0), ("e", 77));
        let context = event.context.unwrap();
        assert_eq!(context.address_hash, None, "no hash without its key");
        assert_eq!(context.device.as_deref(), Some("tv"));
    }

    /// A reader without the key says the same as the one that had it.
    #[test]
    fn what_is_bad_is_said_again_from_the_bytes_alone() {
        #[rustfmt::skip]
        let cases = [
            ("{",                                            None,       "invalid_json"),
            ("hello",                                        None,       "invalid_json"),
            ("[1]",                                          None,       "not_an_object"),
            (r#"{"event_type":"dance"}"#,                    Some("k"),  "unknown_event_type"),
            (r#"{"user_id":"u"}"#,                           None,       "missing_field"),
            (r#"{"event_type":"search","query":"q"}"#,       None,       "missing_field"),
            (r#"{"event_type":"search","query":"q"}"#,       Some("\n"), "missing_field"),
            (r#"{"event_type":"search","query":"q","user_id":7}"#, Some("k"), "invalid_type"),
        ];
        for (json, key, code) in cases {
            let rejection = read(&record(json, key)).unwrap_err();
            assert_eq!(rejection.code, code, "{json}");
            assert_eq!(diagnose(json.as_bytes()).code, code, "{json}");
        }
    }
}
