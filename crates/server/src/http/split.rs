//! One request body into single events, without copying and without reading them.
//!
//! Each event stays a slice of the body. A broken array is refused as a whole; in NDJSON a broken
//! line spoils only itself.

use super::problem::Problem;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What a body claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON: one object or an array.
    Json,
    /// One JSON object a line.
    Lines,
    /// To be found out from the body: `text/plain`, or nothing said.
    Unsaid,
}

impl Form {
    /// Reads `Content-Type`.
    ///
    /// # Errors
    /// `415` for a type we do not read.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Ok(Self::Unsaid);
        };
        let essence = value.as_bytes().split(|&byte| byte == b';').next();
        let essence = essence
            .unwrap_or_default()
            .trim_ascii()
            .to_ascii_lowercase();
        match essence.as_slice() {
            b"application/json" => Ok(Self::Json),
            b"application/x-ndjson" | b"application/ndjson" | b"application/jsonl" => {
                Ok(Self::Lines)
            }
            b"text/plain" => Ok(Self::Unsaid),
            _ => Err(Problem::unsupported(
                "unsupported_media_type",
                "Content-Type must be application/json, application/x-ndjson or text/plain",
            )),
        }
    }
}

/// A body taken apart.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// One JSON value that is no array.
    One(Bytes),
    /// The elements of an array or the lines of NDJSON.
    Many(Vec<Bytes>),
}

/// Takes a body apart into at most `limit` values.
///
/// # Errors
/// `400` when JSON is broken or there is nothing in it, `413` when there are more than `limit`.
pub fn split(body: &Bytes, form: Form, limit: usize) -> Result<Split, Problem> {
    let text = body.trim_ascii();
    if text.is_empty() {
        return Err(Problem::bad_request("empty_body", "the body is empty"));
    }
    match form {
        Form::Lines => lines(body, limit),
        Form::Unsaid if looks_like_lines(text) => lines(body, limit),
        Form::Json | Form::Unsaid if text[0] == b'[' => elements(body, limit),
        Form::Json | Form::Unsaid => one(body),
    }
}

/// Whether a body of unsaid form is NDJSON: more than one line, the first a whole object.
fn looks_like_lines(text: &[u8]) -> bool {
    let Some(end) = text.iter().position(|&byte| byte == b'\n') else {
        return false;
    };
    let first = text[..end].trim_ascii();
    first.starts_with(b"{") && first.ends_with(b"}")
}

fn one(body: &Bytes) -> Result<Split, Problem> {
    let raw: &RawValue = serde_json::from_slice(body).map_err(|error| broken(body, &error))?;
    Ok(Split::One(body.slice_ref(raw.get().as_bytes())))
}

fn too_many(limit: usize) -> Problem {
    Problem::too_large(
        "too_many_events",
        format!("a request holds at most {limit} items"),
    )
}

fn broken(body: &[u8], error: &serde_json::Error) -> Problem {
    if std::str::from_utf8(body).is_err() {
        return Problem::bad_request("invalid_utf8", "the body is not UTF-8");
    }
    Problem::bad_request("invalid_json", format!("the body is not JSON: {error}"))
}

fn elements(body: &Bytes, limit: usize) -> Result<Split, Problem> {
    let mut over = false;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = Elements {
        limit,
        over: &mut over,
    };
    let found = elements.deserialize(&mut deserializer);
    if over {
        return Err(too_many(limit));
    }
    let found = found.and_then(|found| deserializer.end().map(|()| found));
    let found = found.map_err(|error| broken(body, &error))?;
    if found.is_empty() {
        return Err(Problem::bad_request("no_events", "the array is empty"));
    }
    let slices = found.iter().map(|raw| body.slice_ref(raw.get().as_bytes()));
    Ok(Split::Many(slices.collect()))
}

/// Reads an array of raw values and gives up at the first one over the limit.
struct Elements<'a> {
    limit: usize,
    over: &'a mut bool,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            if found.len() == self.limit {
                *self.over = true;
                return Err(serde::de::Error::custom("too many elements"));
            }
            found.push(raw);
        }
        Ok(found)
    }
}

fn lines(body: &Bytes, limit: usize) -> Result<Split, Problem> {
    let mut found = Vec::new();
    for line in body.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if found.len() == limit {
            return Err(too_many(limit));
        }
        found.push(body.slice_ref(line));
    }
    Ok(Split::Many(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &'static [u8], form: Form) -> String {
        match split(&Bytes::from_static(body), form, 3) {
            Ok(Split::One(one)) => format!("one {}", String::from_utf8_lossy(&one)),
            Ok(Split::Many(many)) => {
                let many: Vec<_> = many.iter().map(|m| String::from_utf8_lossy(m)).collect();
                format!("many {}", many.join("|"))
            }
            Err(problem) => format!("{} {}", problem.status.as_u16(), problem.code),
        }
    }

    #[test]
    fn split_cases() {
        use Form::{Json, Lines, Unsaid};
        #[rustfmt::skip]
        let cases: &[(&str, Form, &[u8], &str)] = &[
            ("object",            Json,   b" {\"a\": 1}\n",           "one {\"a\": 1}"),
            ("array",             Json,   b"[{\"a\":[1]}, 2]",        "many {\"a\":[1]}|2"),
            ("array with nulls",  Json,   b"[null]",                  "many null"),
            ("empty array",       Json,   b"[]",                      "400 no_events"),
            ("broken array",      Json,   b"[{\"a\":1},",             "400 invalid_json"),
            ("array, then more",  Json,   b"[1] 2",                   "400 invalid_json"),
            ("broken object",     Json,   b"{\"a\":",                 "400 invalid_json"),
            ("two objects",       Json,   b"{}\n{}",                  "400 invalid_json"),
            ("scalar",            Json,   b"7",                       "one 7"),
            ("bad utf-8",         Json,   b"[\"\xff\"]",              "400 invalid_utf8"),
            ("too many",          Json,   b"[1,2,3,4]",               "413 too_many_events"),
            ("many, then broken", Json,   b"[1,2,3,4",                "413 too_many_events"),
            ("at the limit",      Json,   b"[1,2,3]",                 "many 1|2|3"),
            ("nothing",           Json,   b"",                        "400 empty_body"),
            ("blank",             Lines,  b" \r\n\n",                 "400 empty_body"),
            ("lines",             Lines,  b"{}\r\n\n {\"a\":1} \n",   "many {}|{\"a\":1}"),
            ("a bad line stays",  Lines,  b"{}\n{oops\n{}",           "many {}|{oops|{}"),
            ("bad utf-8 line",    Lines,  b"{}\n\xff",                "many {}|\u{fffd}"),
            ("too many lines",    Lines,  b"1\n2\n3\n4",              "413 too_many_events"),
            ("beacon object",     Unsaid, b"{\n\"a\":1}",             "one {\n\"a\":1}"),
            ("beacon array",      Unsaid, b"[{}]",                    "many {}"),
            ("beacon lines",      Unsaid, b"{}\n{}",                  "many {}|{}"),
            ("beacon broken",     Unsaid, b"a=1",                     "400 invalid_json"),
        ];
        for (name, form, body, want) in cases {
            assert_eq!(shown(body, *form), *want, "{name}");
        }
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_passes_as_broken() {
        let deep = [vec![b'['; 1_000_000], vec![b']'; 1_000_000]].concat();
        let body = Bytes::from([b"[".as_slice(), &deep, b"]"].concat());
        assert!(matches!(split(&body, Form::Json, 3), Ok(Split::Many(many)) if many.len() == 1));
    }

    #[test]
    fn form_cases() {
        #[rustfmt::skip]
        let cases: &[(Option<&str>, Option<Form>)] = &[
            (None,                                      Some(Form::Unsaid)),
            (Some("application/json"),                  Some(Form::Json)),
            (Some("Application/JSON; charset=utf-8"),   Some(Form::Json)),
            (Some("application/x-ndjson"),              Some(Form::Lines)),
            (Some("text/plain;charset=UTF-8"),          Some(Form::Unsaid)),
            (Some("application/x-www-form-urlencoded"), None),
            (Some("text/html"),                         None),
        ];
        for (content_type, want) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(CONTENT_TYPE, value.parse().unwrap());
            }
            assert_eq!(Form::of(&headers).ok(), *want, "{content_type:?}");
        }
    }
}
